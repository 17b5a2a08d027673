// SPDX-License-Identifier: Apache-2.0
// daemon/stream_calls.cpp: the doors through which the runtime library calls into a session.
#include "session.hpp"

namespace wsgix::daemon {
namespace {

Session& session_of(void* stream) { return *static_cast<Session*>(stream); }

/// Runs `call` and lets no exception out: the caller is C.
template <typename Call>
auto door(void* stream, Call call) noexcept -> decltype(call(session_of(stream))) {
  try {
    return call(session_of(stream));
  } catch (const std::exception& bug) {
    session_of(stream).log_bug(bug.what());
  } catch (...) {
    session_of(stream).log_bug("exception of unknown type");
  }
  return decltype(call(session_of(stream)))(WSGIX_IO_FAILED);
}

ptrdiff_t read_body(void* stream, char* into, size_t size, int may_wait) noexcept {
  return door(stream,
              [=](Session& session) { return session.read_body(into, size, may_wait != 0); });
}
int send_head(void* stream, const wsgix_response_head* head) noexcept {
  return door(stream, [=](Session& session) { return session.send_head(*head); });
}
int send_body(void* stream, const char* data, size_t size) noexcept {
  return door(stream, [=](Session& session) { return session.send_body({data, size}); });
}
int send_file(void* stream, int descriptor, uint64_t offset, uint64_t length) noexcept {
  return door(stream,
              [=](Session& session) { return session.send_file(descriptor, offset, length); });
}
int flush(void* stream) noexcept {
  return door(stream, [](Session& session) { return session.flush(); });
}
int client_is_gone(void* stream) noexcept { return session_of(stream).client_is_gone() ? 1 : 0; }

void log(void* stream, int level, wsgix_text file, uint32_t line, wsgix_text text) noexcept {
  door(stream, [=](Session& session) {
    session.log(level, {file.data, file.size}, line, {text.data, text.size});
    return 0;
  });
}
void early_hints(void* stream, const wsgix_field* headers, size_t count) noexcept {
  door(stream, [=](Session& session) {
    session.early_hints(headers, count);
    return 0;
  });
}

void loading(void* stream, int begins) noexcept { session_of(stream).show_loading(begins != 0); }

}  // namespace

constexpr wsgix_stream_calls kStreamCalls = {
    read_body, send_head, send_body, send_file, flush, client_is_gone, log, early_hints, loading,
};

}  // namespace wsgix::daemon

// SPDX-License-Identifier: Apache-2.0
// The first question of each door is who asks: the worker or httpd child itself, or a copy of it.
#include "wsgix/runtime/stream.hpp"

#include <exception>

#include "wsgix/base/process_copy.hpp"

namespace wsgix::runtime {
namespace {

Stream& stream_of(void* stream) { return *static_cast<Stream*>(stream); }

/// Runs `call` in the original process and lets no exception out: the caller is C.
template <typename Call>
auto door(void* stream, Call call) noexcept -> decltype(call(stream_of(stream))) {
  using Answer = decltype(call(stream_of(stream)));
  if (this_process_is_a_copy()) return static_cast<Answer>(WSGIX_IO_FAILED);
  try {
    return call(stream_of(stream));
  } catch (const std::exception& bug) {
    stream_of(stream).log_bug(bug.what());
  } catch (...) {
    stream_of(stream).log_bug("exception of unknown type");
  }
  return static_cast<Answer>(WSGIX_IO_FAILED);
}

std::ptrdiff_t read_body(void* stream, char* into, std::size_t size, int may_wait) noexcept {
  return door(stream, [=](Stream& s) { return s.read_body(into, size, may_wait != 0); });
}

int send_head(void* stream, const wsgix_response_head* head) noexcept {
  return door(stream, [=](Stream& s) { return s.send_head(*head); });
}

int send_body(void* stream, const char* data, std::size_t size) noexcept {
  return door(stream, [=](Stream& s) { return s.send_body({data, size}); });
}

int send_file(void* stream, int descriptor, std::uint64_t offset, std::uint64_t length) noexcept {
  return door(stream, [=](Stream& s) { return s.send_file(descriptor, offset, length); });
}

int flush(void* stream) noexcept {
  return door(stream, [](Stream& s) { return s.flush(); });
}

int client_is_gone(void* stream) noexcept {
  return this_process_is_a_copy() || stream_of(stream).client_is_gone() ? 1 : 0;
}

void log(void* stream, int level, wsgix_text file, std::uint32_t line, wsgix_text text) noexcept {
  if (this_process_is_a_copy()) return stream_of(stream).log_of_copy(level, view_of(text));
  door(stream, [=](Stream& s) {
    s.log(level, view_of(file), line, view_of(text));
    return 0;
  });
}

void early_hints(void* stream, const wsgix_field* headers, std::size_t count) noexcept {
  door(stream, [=](Stream& s) {
    s.early_hints(headers, count);
    return 0;
  });
}

void loading(void* stream, int begins) noexcept {
  if (!this_process_is_a_copy()) stream_of(stream).show_loading(begins != 0);
}

constexpr wsgix_stream_calls kCalls = {
    read_body, send_head, send_body, send_file, flush, client_is_gone, log, early_hints, loading,
};

}  // namespace

void attach(Stream& stream, wsgix_request& request) noexcept {
  request.stream = &stream;
  request.calls = &kCalls;
}

}  // namespace wsgix::runtime

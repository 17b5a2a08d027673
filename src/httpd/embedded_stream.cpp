// SPDX-License-Identifier: Apache-2.0
#include "embedded_stream.hpp"

#include <fcntl.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "client_socket.hpp"
#include "log.hpp"
#include "trampoline.hpp"

namespace wsgix::httpd {
namespace {

wsgix_text text_of(std::string_view text) { return {text.data(), text.size()}; }
std::string_view view_of(wsgix_text text) { return {text.data, text.size}; }

EmbeddedStream& stream_of(void* stream) { return *static_cast<EmbeddedStream*>(stream); }

/// The door for the runtime's calls: it is C and knows no exception.
template <typename Action>
auto answered(void* stream, Action&& action) noexcept -> decltype(action(stream_of(stream))) {
  using Answer = decltype(action(stream_of(stream)));
  return guarded([&] { return action(stream_of(stream)); },
                 [&](const char* what) { log_bug(stream_of(stream).request().server, what); },
                 static_cast<Answer>(WSGIX_IO_FAILED));
}

ptrdiff_t read_body(void* stream, char* into, size_t size, int may_wait) {
  return answered(stream, [&](EmbeddedStream& s) -> ptrdiff_t {
    return s.read_body(into, size, may_wait != 0);
  });
}
int send_head(void* stream, const wsgix_response_head* head) {
  return answered(stream, [&](EmbeddedStream& s) { return s.send_head(*head); });
}
int send_body(void* stream, const char* data, size_t size) {
  return answered(stream, [&](EmbeddedStream& s) { return s.send_body({data, size}); });
}
int send_file(void* stream, int descriptor, uint64_t offset, uint64_t length) {
  return answered(stream,
                  [&](EmbeddedStream& s) { return s.send_file(descriptor, offset, length); });
}
int flush(void* stream) {
  return answered(stream, [](EmbeddedStream& s) { return s.flush(); });
}
int client_is_gone(void* stream) { return stream_of(stream).client_is_gone() ? 1 : 0; }
void log_for_request(void* stream, int level, wsgix_text file, uint32_t line, wsgix_text text) {
  answered(stream, [&](EmbeddedStream& s) {
    log_line(s.request(), static_cast<LogLevel>(level), view_of(file), line, view_of(text));
    return 0;
  });
}

void early_hints(void* stream, const wsgix_field* headers, size_t count) {
  answered(stream, [&](EmbeddedStream& s) {
    s.early_hints(headers, count);
    return 0;
  });
}

constexpr wsgix_stream_calls kCalls = {read_body,       send_head,   send_body,
                                       send_file,       flush,       client_is_gone,
                                       log_for_request, early_hints, nullptr};

std::int64_t deadline_of(const Route& route) noexcept {
  const std::chrono::microseconds span = route.deadline.span;
  return span.count() == 0 ? 0 : scoreboard::now_us() + span.count();
}

std::ptrdiff_t io_result(ClientBody::State state) {
  switch (state) {
    case ClientBody::State::WouldWait: return WSGIX_IO_WOULD_BLOCK;
    case ClientBody::State::ClientGone: return WSGIX_IO_CLIENT_GONE;
    case ClientBody::State::TooSlow: return WSGIX_IO_TIMED_OUT;
    case ClientBody::State::TooLarge: return WSGIX_IO_TOO_LARGE;
    case ClientBody::State::Answered:
    case ClientBody::State::Malformed: return WSGIX_IO_MALFORMED;
    case ClientBody::State::Data:
    case ClientBody::State::End: break;
  }
  return 0;
}

}  // namespace

EmbeddedStream::EmbeddedStream(request_rec& r, const Route& route, BodyFacts body)
    : r_(r),
      route_(route),
      facts_(body),
      environ_(build_environ(r, route)),
      body_(r),
      response_(r),
      client_socket_(client_socket_of(r)),
      deadline_us_(deadline_of(route)),
      body_is_over_(!body.has_body) {}

std::ptrdiff_t EmbeddedStream::read_body(char* into, std::size_t size, bool may_wait) {
  if (!facts_.has_body || size == 0) return 0;
  const ClientBody::Piece piece = body_.read(may_wait);
  if (piece.state != ClientBody::State::Data) {
    body_is_over_ = body_.has_ended();
    return io_result(piece.state);
  }
  const std::size_t count = std::min(size, piece.data.size());
  std::memcpy(into, piece.data.data(), count);
  body_.consume(count);
  body_is_over_ = body_.has_ended();
  return static_cast<std::ptrdiff_t>(count);
}

bool EmbeddedStream::client_is_gone() const noexcept {
  return response_.client_is_gone() ||
         (client_socket_ >= 0 && has_hung_up(client_socket_, !body_is_over_));
}

int EmbeddedStream::result_of(bool reached) const noexcept {
  return reached ? 0 : WSGIX_IO_CLIENT_GONE;
}

int EmbeddedStream::send_head(const wsgix_response_head& head) {
  response_.head(head.status, view_of(head.reason));
  for (std::size_t i = 0; i < head.header_count; ++i) {
    response_.header(view_of(head.headers[i].name), view_of(head.headers[i].value));
  }
  return result_of(!response_.client_is_gone());
}

void EmbeddedStream::early_hints(const wsgix_field* headers, std::size_t count) {
  for (std::size_t i = 0; i < count; ++i) {
    response_.hint(view_of(headers[i].name), view_of(headers[i].value));
  }
  response_.send_hints();
}

int EmbeddedStream::send_body(std::string_view data) { return result_of(response_.body(data)); }

int EmbeddedStream::send_file(int descriptor, std::uint64_t offset, std::uint64_t length) {
  UniqueFd own(::fcntl(descriptor, F_DUPFD_CLOEXEC, 0));
  if (!own) {
    const int os_errno = errno;
    log(r_, LogLevel::Error, {ErrorCode::SystemCallFailed, "a file of a response: dup", os_errno});
    return WSGIX_IO_FAILED;
  }
  const Result<bool> sent = response_.file(std::move(own), offset, length);
  if (!sent) {
    log(r_, LogLevel::Error, sent.error());
    return WSGIX_IO_FAILED;
  }
  if (!*sent && !response_.client_is_gone()) return WSGIX_IO_FAILED;
  // The caller may close or change its descriptor next.
  return result_of(*sent);
}

int EmbeddedStream::flush() { return result_of(response_.flush()); }

std::string EmbeddedStream::describe() const {
  return std::string(r_.method) + " " + r_.unparsed_uri;
}

void EmbeddedStream::log_line(LogLevel level, std::string_view line) noexcept {
  httpd::log_line(*r_.server, level, {}, 0, line);
}

int EmbeddedStream::run(const wsgix_runtime& runtime, runtime::Attendant* attendant) {
  std::vector<wsgix_field> fields;
  fields.reserve(environ_.fields.size());
  for (const wire::FieldView& field : environ_.fields) {
    fields.push_back({text_of(field.name), text_of(field.value)});
  }
  wsgix_request request{};
  request.stream = this;
  request.calls = &kCalls;
  request.script = {text_of(route_.script), text_of(route_.application_group),
                    text_of(route_.callable), r_.finfo.mtime,
                    route_.script_reloading != ScriptReloading::Off};
  request.environ = fields.data();
  request.environ_count = fields.size();
  request.https = environ_.https;
  request.has_body = facts_.has_body;
  request.content_length = facts_.content_length;
  request.request_start = static_cast<double>(r_.request_time) / 1e6;

  static std::atomic<std::uint64_t> last_id = 0;
  request.id = ++last_id;
  if (attendant != nullptr) {
    attendant->enroll(request.id, Deadline(std::chrono::microseconds(deadline_us_)), *this);
  }
  wsgix_outcome outcome{};
  runtime.handle_request(&request, &outcome);
  if (attendant != nullptr) attendant->withdraw(request.id);
  return answer(outcome);
}

int EmbeddedStream::answer(const wsgix_outcome& outcome) {
  // A second answer behind httpd's own would be taken for the next response.
  if (body_.was_answered()) return AP_FILTER_ERROR;
  switch (outcome.kind) {
    case WSGIX_COMPLETE: return response_.end();
    case WSGIX_CUT: return response_.cut();
    case WSGIX_FAILED:
      if (outcome.status >= 400 && outcome.status <= 599) return response_.refuse(outcome.status);
      break;
    default: break;
  }
  return response_.refuse(HTTP_INTERNAL_SERVER_ERROR);
}

}  // namespace wsgix::httpd

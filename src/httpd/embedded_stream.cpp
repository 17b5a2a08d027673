// SPDX-License-Identifier: Apache-2.0
#include "embedded_stream.hpp"

#include <fcntl.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "client_socket.hpp"
#include "log.hpp"
#include "trampoline.hpp"
#include "wsgix/base/process_copy.hpp"
#include "wsgix/os/forked_copies.hpp"
#include "wsgix/runtime/script.hpp"
#include "wsgix/scoreboard/scoreboard.hpp"

namespace wsgix::httpd {
namespace {

using runtime::view_of;

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
      environ_(build_environ(r, route, body)),
      body_(r, body.received),
      response_(r),
      client_socket_(client_socket_of(r)),
      deadline_us_(deadline_of(route)),
      body_is_over_(!body.has_body || body.received != nullptr) {}

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
    httpd::log(r_, LogLevel::Error,
               {ErrorCode::CannotOpenDescriptor, "a file of a response: dup", os_errno});
    return WSGIX_IO_FAILED;
  }
  const Result<bool> sent = response_.file(std::move(own), offset, length);
  if (!sent) {
    httpd::log(r_, LogLevel::Error, sent.error());
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

void EmbeddedStream::log(int level, std::string_view file, std::uint32_t line,
                         std::string_view text) {
  httpd::log_line(r_, static_cast<LogLevel>(level), file, line, text);
}

/// httpd writes a line with one write(2) and the pid of the process that calls.
void EmbeddedStream::log_of_copy(int level, std::string_view text) noexcept {
  httpd::log_line(r_, static_cast<LogLevel>(level), {}, 0, text);
}

void EmbeddedStream::log_bug(const char* what) noexcept { httpd::log_bug(r_.server, what); }

void EmbeddedStream::log_line(LogLevel level, std::string_view line) noexcept {
  httpd::log_line(*r_.server, level, {}, 0, line);
}

int EmbeddedStream::run(const wsgix_runtime& runtime, runtime::RequestWatchdog* watchdog) {
  wsgix_request request{};
  runtime::attach(*this, request);
  std::vector<wsgix_field> fields;
  runtime::set_environ(environ_.fields, fields, request);
  request.script = runtime::script_of(route_.script_ref());
  request.https = environ_.https;
  request.has_body = facts_.has_body;
  request.content_length = facts_.content_length;
  if (route_.pass_apache_request) request.request_rec = &r_;
  request.request_start = static_cast<double>(r_.request_time) / 1e6;

  static std::atomic<std::uint64_t> last_id = 0;
  request.id = ++last_id;
  if (watchdog != nullptr) {
    watchdog->enroll(request.id, Deadline(std::chrono::microseconds(deadline_us_)), *this);
  }
  wsgix_outcome outcome{};
  runtime.handle_request(&request, &outcome);
  // The runtime ends copies itself, with a word; but whatever it is, no copy goes on from here.
  if (this_process_is_a_copy()) os::end_copy(0);
  if (watchdog != nullptr) watchdog->withdraw(request.id);
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

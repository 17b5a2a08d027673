// SPDX-License-Identifier: Apache-2.0
#include "session.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

#include "wsgix/base/process_copy.hpp"
#include "wsgix/os/forked_copies.hpp"
#include "wsgix/runtime/script.hpp"

namespace wsgix::daemon {
namespace {

using runtime::view_of;
using wire::FrameType;
using wire::RequestHead;

constexpr std::size_t kPieceBytes = 256 * 1024;
constexpr std::uint16_t kForbidden = 403;

// The slowest client that is still served: this much for each stretch of patience. The socket's
// own buffer counts too, because the peer has to empty most of it before we may write again.
constexpr std::size_t kSlowestBytes = 16 * 1024;
constexpr std::size_t kSocketBufferBytes = 208 * 1024;

double in_seconds(std::int64_t microseconds) { return static_cast<double>(microseconds) / 1e6; }

std::int64_t microseconds_since_1970() {
  using std::chrono::microseconds;
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  return std::chrono::duration_cast<microseconds>(now).count();
}

int failure_for(wire::AbortReason reason) {
  switch (reason) {
    case wire::AbortReason::ClientGone: return WSGIX_IO_CLIENT_GONE;
    case wire::AbortReason::ClientTooSlow: return WSGIX_IO_TIMED_OUT;
    case wire::AbortReason::BodyTooLarge: return WSGIX_IO_TOO_LARGE;
    case wire::AbortReason::BodyMalformed: return WSGIX_IO_MALFORMED;
  }
  return WSGIX_IO_FAILED;
}

/// An interrupted request may have been loading still.
bool proves_a_load(const wsgix_outcome& outcome) {
  if (outcome.kind != WSGIX_FAILED) return outcome.kind != WSGIX_STALE;
  const auto code = static_cast<ErrorCode>(outcome.code);
  switch (code) {
    case ErrorCode::RequestTimedOut:
    case ErrorCode::ClientGone: return false;
    default: return is_of_a_request(code);
  }
}

}  // namespace

// ---- what others see ----

void Session::show_activity() noexcept {
  if ((scratch_.head.flags & RequestHead::kIgnoresActivity) != 0) return;
  shown_.worker.activity_us.store(scoreboard::now_us(), std::memory_order_relaxed);
}

void Session::show_loading(bool begins) noexcept {
  using scoreboard::ThreadPhase;
  shown_.thread.show_phase(begins ? ThreadPhase::Loading : ThreadPhase::Running);
}

// ---- the request ----

Result<void> Session::open(std::string_view payload) {
  // The head is views into the payload, which the first body frame would overwrite.
  const bool body_follows =
      !payload.empty() && (static_cast<std::uint8_t>(payload[0]) & RequestHead::kHasBody) != 0;
  if (body_follows) {
    scratch_.payload.assign(payload);
    payload = scratch_.payload;
  }
  if (const auto decoded = wire::decode_request_head(payload, scratch_.head); !decoded) {
    return failed(decoded);
  }
  const std::uint8_t flags = scratch_.head.flags;
  if ((flags & RequestHead::kHasBody) != 0) {
    asks_for_body_ = (flags & RequestHead::kExpectsContinue) != 0;
    if (!asks_for_body_) intake_.expect_body();
  }
  return {};
}

std::string_view Session::environ(std::string_view name) const noexcept {
  for (const wire::FieldView& field : scratch_.head.environ) {
    if (field.name == name) return field.value;
  }
  return {};
}

wsgix_request Session::request_for_runtime() {
  const RequestHead& head = scratch_.head;
  wsgix_request request{};
  runtime::attach(*this, request);
  runtime::set_environ(head.environ, scratch_.environ, request);
  request.script = runtime::script_of(head.script);
  request.https = (head.flags & RequestHead::kHttps) != 0;
  request.has_body = (head.flags & RequestHead::kHasBody) != 0;
  request.content_length = head.content_length;
  request.request_start = in_seconds(head.request_start_us);
  request.queue_start = in_seconds(head.queue_start_us);
  request.daemon_start = in_seconds(microseconds_since_1970());
  request.id = id_;
  return request;
}

Session::Ending Session::run(const Application& application) {
  if (application.runtime == nullptr) {
    return refuse(application.broken.value_or(Error{ErrorCode::PythonDidNotStart, ""}), 0);
  }
  if (application.script_owner.is_given()) {
    const auto fine =
        os::check_owner(std::string(scratch_.head.script.path), application.script_owner);
    if (!fine) return refuse(fine.error(), kForbidden);
  }
  show_activity();
  const wsgix_request request = request_for_runtime();
  wsgix_outcome outcome{};
  application.runtime->handle_request(&request, &outcome);
  // The runtime ends copies itself, with a word; but whatever it is, no copy goes on from here.
  if (this_process_is_a_copy()) os::end_copy(0);
  loaded_ = proves_a_load(outcome);
  return queue_answer(outcome);
}

/// Nothing was executed, and the child logs why.
Session::Ending Session::refuse(const Error& error, std::uint16_t http_status) {
  const std::lock_guard lock(sending_);
  answered_ = true;
  const std::string what = to_log_line(error);
  wire::Failure failure;
  failure.code = static_cast<std::uint32_t>(error.code);
  if (http_status != 0) failure.http_status = http_status;
  failure.what = what;
  if (const auto queued = channel_.queue(FrameType::Failure, failure); !queued) {
    fail(queued.error());
  }
  return io_failure_ != 0 ? Ending::Broken : Ending::Answered;
}

/// The watchdog may still have a line for this request: from here on it is too late for it.
Session::Ending Session::queue_answer(const wsgix_outcome& outcome) {
  const std::lock_guard lock(sending_);
  answered_ = true;
  if (io_failure_ != 0) return Ending::Broken;
  if (outcome.kind == WSGIX_STALE && !head_sent_) return Ending::Stale;
  if (outcome.kind == WSGIX_COMPLETE && head_sent_) {
    channel_.queue(FrameType::ResponseEnd);
    return Ending::Answered;
  }
  wire::Failure failure;
  failure.code = outcome.code;
  failure.http_status = 500;
  if (head_sent_) {
    failure.http_status = 0;
  } else if (outcome.kind == WSGIX_FAILED && outcome.status >= 400 && outcome.status <= 599) {
    failure.http_status = static_cast<std::uint16_t>(outcome.status);
  }
  const auto queued =
      channel_.queue(head_sent_ ? FrameType::ResponseCut : FrameType::Failure, failure);
  if (!queued) fail(queued.error());
  return io_failure_ != 0 ? Ending::Broken : Ending::Answered;
}

/// Remembers why the connection is unusable and what the runtime is told from now on.
int Session::fail(const Error& error) {
  if (io_failure_ == 0) {
    const bool gone = error.code == ErrorCode::PeerClosed;
    io_failure_ = gone ? WSGIX_IO_CLIENT_GONE : WSGIX_IO_FAILED;
    if (!gone) log_.write(LogLevel::Error, error);
  }
  return io_failure_;
}

// ---- its body ----

ptrdiff_t Session::read_body(char* into, std::size_t size, bool may_wait) {
  if (size == 0) return 0;
  while (unread_.empty()) {
    if (body_failure_ != 0) return body_failure_;
    if (!asks_for_body_ && intake_.due() != wire::Due::Body) return 0;
    if (io_failure_ != 0) return io_failure_;
    if (!receive_piece(may_wait) && io_failure_ == 0 && body_failure_ == 0) {
      return WSGIX_IO_WOULD_BLOCK;
    }
  }
  show_activity();
  const std::size_t count = std::min(size, unread_.size());
  std::memcpy(into, unread_.data(), count);
  unread_.remove_prefix(count);
  return static_cast<ptrdiff_t>(count);
}

bool Session::receive_piece(bool may_wait) {
  if (asks_for_body_) {
    if (!may_wait) return false;
    ask_for_body();
  }
  const Deadline deadline = after(patience_);
  for (;;) {
    const auto frame = channel_.try_receive();
    if (!frame) {
      fail(frame.error());
      return false;
    }
    if (*frame) return take_body_frame(**frame);
    if (!may_wait) return false;
    // The client may be waiting for what is queued before it sends more.
    if (flush() != 0) return false;
    const auto readable = channel::wait_readable(channel_.fd(), deadline);
    if (!readable) {
      fail(readable.error());
      return false;
    }
    if (!*readable) {
      body_failure_ = WSGIX_IO_TIMED_OUT;
      return false;
    }
  }
}

void Session::ask_for_body() {
  const std::lock_guard lock(sending_);
  asks_for_body_ = false;
  intake_.expect_body();
  channel_.queue(FrameType::WantBody);
}

bool Session::take_body_frame(const channel::Frame& frame) {
  if (const auto fits = intake_.take(frame.request, frame.type); !fits) {
    fail(fits.error());
    return false;
  }
  if (frame.type == FrameType::RequestBody) unread_ = frame.payload;
  if (frame.type != FrameType::RequestAbort) return true;
  const auto reason = wire::decode_abort(frame.payload);
  if (!reason) {
    fail(reason.error());
    return false;
  }
  body_failure_ = failure_for(*reason);
  return true;
}

// ---- the response ----

Deadline Session::send_deadline(std::size_t more_bytes) const {
  const std::size_t bytes = kSocketBufferBytes + channel_.queued_bytes() + more_bytes;
  return after(patience_ * static_cast<int>(1 + bytes / kSlowestBytes));
}

int Session::send_head(const wsgix_response_head& head) {
  const std::lock_guard lock(sending_);
  if (io_failure_ != 0) return io_failure_;
  wire::ResponseHead message;
  message.status = static_cast<std::uint16_t>(head.status);
  message.reason = view_of(head.reason);
  scratch_.headers.clear();
  for (std::size_t i = 0; i < head.header_count; ++i) {
    scratch_.headers.push_back({view_of(head.headers[i].name), view_of(head.headers[i].value)});
  }
  message.headers.swap(scratch_.headers);
  const auto queued = channel_.queue(FrameType::ResponseHead, message);
  message.headers.swap(scratch_.headers);
  if (!queued) {
    // Too large to travel. The connection is fine: the answer will be a Failure.
    const std::string line = to_log_line(
        {ErrorCode::HeadTooLarge, fmt::format("{}: {}", describe(), queued.error().what)});
    const wire::LogRecord record{LogLevel::Error, 0, {}, line};
    if (!channel_.queue(FrameType::Log, record)) log_.write(LogLevel::Error, line);
    return WSGIX_IO_FAILED;
  }
  head_sent_ = true;
  return 0;
}

void Session::early_hints(const wsgix_field* headers, std::size_t count) {
  const std::lock_guard lock(sending_);
  if (io_failure_ != 0 || head_sent_) return;
  wire::EarlyHints hints;
  for (std::size_t i = 0; i < count; ++i) {
    hints.headers.push_back({view_of(headers[i].name), view_of(headers[i].value)});
  }
  if (const auto queued = channel_.queue(FrameType::EarlyHints, hints); !queued) {
    log_.write(LogLevel::Warning, queued.error());  // too large to travel
    return;
  }
  if (const auto flushed = channel_.flush(send_deadline(0)); !flushed) fail(flushed.error());
}

int Session::send_body(std::string_view data) {
  const std::lock_guard lock(sending_);
  show_activity();
  if (io_failure_ != 0) return io_failure_;
  if (channel_.queued_bytes() + data.size() < WSGIX_QUEUE_BYTES) {
    if (!data.empty()) channel_.queue(FrameType::ResponseBody, data);
    return 0;
  }
  while (!data.empty()) {
    const std::string_view piece = data.substr(0, kPieceBytes);
    data.remove_prefix(piece.size());
    const auto sent = channel_.send(FrameType::ResponseBody, piece, send_deadline(piece.size()));
    if (!sent) return fail(sent.error());
  }
  return 0;
}

int Session::send_file(int descriptor, std::uint64_t offset, std::uint64_t length) {
  const std::lock_guard lock(sending_);
  if (io_failure_ != 0) return io_failure_;
  const auto sent = channel_.send_file(descriptor, {offset, length}, send_deadline(0));
  return sent ? 0 : fail(sent.error());
}

int Session::flush() {
  const std::lock_guard lock(sending_);
  if (io_failure_ != 0) return io_failure_;
  const auto flushed = channel_.flush(send_deadline(0));
  return flushed ? 0 : fail(flushed.error());
}

bool Session::client_is_gone() const noexcept {
  return io_failure_ == WSGIX_IO_CLIENT_GONE || body_failure_ == WSGIX_IO_CLIENT_GONE ||
         channel_.peer_is_gone();
}

void Session::log(int level, std::string_view file, std::uint32_t line, std::string_view words) {
  const auto severity = static_cast<LogLevel>(std::clamp(level, 0, 7));
  const wire::LogRecord record{severity, line, file, words};
  // Never wait for a thread that sends: it may wait for the client, and we hold the GIL.
  const std::unique_lock lock(sending_, std::try_to_lock);
  if (!lock || answered_ || io_failure_ != 0 || !channel_.queue(FrameType::Log, record)) {
    log_.write(severity, words);
    return;
  }
  // At once, because the request may run for long; but never wait: the GIL may be held.
  if (const auto flushed = channel_.try_flush(); !flushed) {
    fail(flushed.error());
    log_.write(severity, words);  // the child did not get it
  }
}

void Session::log_of_copy(int level, std::string_view words) noexcept {
  log_.write(static_cast<LogLevel>(std::clamp(level, 0, 7)), words);
}

std::string Session::describe() const {
  return std::string(environ("REQUEST_METHOD")).append(" ").append(environ("REQUEST_URI"));
}

void Session::log_line(LogLevel level, std::string_view line) noexcept { log_.write(level, line); }

void Session::log_bug(const char* what) noexcept {
  if (io_failure_ == 0) io_failure_ = WSGIX_IO_FAILED;
  try {
    log_.write(LogLevel::Critical, Error{ErrorCode::UnexpectedException, what});
  } catch (...) {
    // No memory even for the line.
  }
}

}  // namespace wsgix::daemon

// SPDX-License-Identifier: Apache-2.0
// What the worker says, frame by frame.
#include "log.hpp"
#include "relay.hpp"

namespace wsgix::httpd {

/// Everything that is here. What it brought of the body leaves for the client when the worker
/// pauses: so a small response is one brigade, and a streamed block is never held back.
Result<Relay::Step> Relay::take_frames() {
  while (!ahead_.is_full() && !is_too_late()) {
    const Result<std::optional<channel::Frame>> frame = connection_->channel.try_receive();
    if (!frame) return failed(frame);
    if (!*frame) break;
    progress_ = Clock::now();
    const Result<Step> step = on_frame(**frame);
    if (!step || *step != Step::GoOn) return step;
  }
  return went_to_client(ahead_.flush());
}

Result<Relay::Step> Relay::on_frame(const channel::Frame& frame) {
  using wire::FrameType;
  switch (frame.type) {
    case FrameType::Welcome: return on_welcome(frame.payload);
    case FrameType::Log: return on_log(frame.payload);
    case FrameType::WantBody:
      accepted_ = true;
      body_may_flow_ = facts_.has_body;
      if (body_may_flow_ && !body_has_ended_ && !response_.has_left()) body_.invite();
      return Step::GoOn;
    case FrameType::EarlyHints: return on_early_hints(frame.payload);
    case FrameType::ResponseHead: return on_response_head(frame.payload);
    case FrameType::ResponseBody: return on_response_body(frame.payload);
    case FrameType::ResponseFile: return on_response_file(frame.payload);
    case FrameType::ResponseCut: return on_response_cut(frame.payload);
    case FrameType::Failure: return on_failure(frame.payload);
    case FrameType::ResponseEnd:
      if (response_.has_head()) return on_response_end();
      break;
    case FrameType::Busy: return on_busy();
    case FrameType::Closing:
      if (!accepted_) return Step::Again;
      break;
    case FrameType::Hello:
    case FrameType::RequestHead:
    case FrameType::RequestBody:
    case FrameType::RequestEnd:
    case FrameType::RequestAbort: break;
  }
  return failed(ErrorCode::UnexpectedFrame, std::string("the worker sent ") +
                                                wire::to_string(frame.type) +
                                                " where the protocol does not allow it");
}

Result<Relay::Step> Relay::on_welcome(std::string_view payload) {
  const Result<wire::Welcome> welcome = wire::decode_welcome(payload);
  if (!welcome) return failed(welcome);
  connection_->worker = *welcome;
  connection_->welcomed = true;
  connection_->welcomed_us = scoreboard::now_us();
  handed_over_ = Clock::now();
  waiting_.reset();
  return Step::GoOn;
}

Result<Relay::Step> Relay::on_early_hints(std::string_view payload) {
  accepted_ = true;
  if (response_.has_head()) {
    return failed(ErrorCode::UnexpectedFrame, "the worker sent EarlyHints after a head");
  }
  const Result<wire::EarlyHints> hints = wire::decode_early_hints(payload);
  if (!hints) return failed(hints);
  for (const wire::FieldView& field : hints->headers) response_.hint(field.name, field.value);
  response_.send_hints();
  return Step::GoOn;
}

Result<Relay::Step> Relay::on_response_head(std::string_view payload) {
  accepted_ = true;
  if (response_.has_head()) {
    return failed(ErrorCode::UnexpectedFrame, "the worker sent a second ResponseHead");
  }
  wire::ResponseHead head;
  if (const Result<void> decoded = wire::decode_response_head(payload, head); !decoded) {
    return failed(decoded.error().code, decoded.error().what);
  }
  if (head.status < 200) {
    return failed(ErrorCode::UnexpectedFrame, "the worker sent an interim status as its response");
  }
  response_.head(head.status, head.reason);
  for (const wire::FieldView& field : head.headers) response_.header(field.name, field.value);
  return Step::GoOn;
}

Result<Relay::Step> Relay::on_response_body(std::string_view payload) {
  if (!response_.has_head()) {
    return failed(ErrorCode::UnexpectedFrame, "the worker sent a body before its head");
  }
  return went_to_client(ahead_.body(payload));
}

Result<Relay::Step> Relay::on_response_file(std::string_view payload) {
  const Result<wire::ResponseFile> what = wire::decode_response_file(payload);
  if (!what) return failed(what);
  UniqueFd descriptor = connection_->channel.take_descriptor();
  if (!descriptor || !response_.has_head()) {
    return failed(ErrorCode::BadDescriptor, "the worker sent a file without a descriptor or head");
  }
  // A file is not copied: it goes after what is there, and httpd waits for the client.
  const Result<bool> drained = ahead_.drain();
  if (!drained || !*drained) return went_to_client(drained);
  const Result<bool> sent = response_.file(std::move(descriptor), what->offset, what->length);
  if (!sent) return failed(sent);
  if (!*sent && !response_.client_is_gone()) {
    return failed(ErrorCode::ResponseCut, "the file of the response could not be read to its end");
  }
  return went_to_client(*sent);
}

Result<Relay::Step> Relay::went_to_client(const Result<bool>& reached) {
  if (!reached) return failed(reached);
  return *reached ? Step::GoOn : client_gone();
}

/// No byte of this request is on its way any more, in either direction.
bool Relay::connection_is_idle() const noexcept {
  const bool body_is_over = !facts_.has_body || body_is_sent_ || !body_may_flow_;
  return body_is_over && connection_->channel.queued_bytes() == 0 && !client_left_;
}

Result<Relay::Step> Relay::on_response_end() {
  // Before the last bytes go to the client: a slow one must not hold the worker's connection.
  if (connection_is_idle()) client_.give_back(std::move(connection_));
  connection_.reset();
  const Result<bool> drained = ahead_.drain();
  if (!drained || !*drained) return went_to_client(drained);
  return finish(response_.end());
}

Result<Relay::Step> Relay::on_response_cut(std::string_view payload) {
  const Result<wire::Failure> cut = wire::decode_failure(payload);
  if (!cut) return failed(cut);
  if (!cut->what.empty()) log_line(r_, LogLevel::Error, {}, 0, cut->what);
  return finish_cut();
}

Result<Relay::Step> Relay::on_failure(std::string_view payload) {
  const Result<wire::Failure> failure = wire::decode_failure(payload);
  if (!failure) return failed(failure);
  if (response_.has_head()) {
    return failed(ErrorCode::UnexpectedFrame, "the worker sent Failure after a head");
  }
  if (!failure->what.empty()) log_line(r_, LogLevel::Error, {}, 0, failure->what);
  const int status = failure->http_status;
  if (connection_is_idle()) client_.give_back(std::move(connection_));
  connection_.reset();
  const bool is_error = status >= 400 && status <= 599;
  return finish(response_.refuse(is_error ? status : HTTP_INTERNAL_SERVER_ERROR));
}

Result<Relay::Step> Relay::on_log(std::string_view payload) {
  const Result<wire::LogRecord> record = wire::decode_log_record(payload);
  if (!record) return failed(record);
  log_line(r_, record->level, record->file, record->line, record->text);
  return Step::GoOn;
}

Result<Relay::Step> Relay::on_busy() {
  if (accepted_) {
    return failed(ErrorCode::UnexpectedFrame, "the worker sent Busy for a request it had started");
  }
  if (connection_is_idle()) client_.give_back(std::move(connection_));
  connection_.reset();
  return join_queue() ? Step::Again : refuse_full_queue();
}

}  // namespace wsgix::httpd

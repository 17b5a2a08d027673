// SPDX-License-Identifier: Apache-2.0
// The attempts of one request, and the loop that keeps both of its directions alive.
#include "relay.hpp"

#include <poll.h>
#include <time.h>

#include <algorithm>
#include <cerrno>

#include "client_socket.hpp"
#include "log.hpp"

namespace wsgix::httpd {
namespace {

/// Bodies up to this size travel with the head and are kept until a worker has started; larger
/// ones wait for WantBody, which proves that it has. So no request is lost to Busy or Closing.
/// A buffered body has so much of it in memory.
constexpr std::int64_t kReplayBytes = 65536;
/// So much of a body is gathered for one write to the worker.
constexpr std::size_t kBatchBytes = 262144;
constexpr timespec kBetweenConnects{0, 20'000'000};
/// A stream of HTTP/2 has no socket of its own to poll. While its body flows, the next piece
/// comes about as fast as the client learns that there is room for it.
constexpr std::chrono::microseconds kShortestStreamLook{100};
constexpr std::chrono::microseconds kLongestStreamLook{5000};

wire::RequestHead head_of(request_rec& r, const Route& route, BodyFacts body) {
  Environ environment = build_environ(r, route);
  wire::RequestHead head;
  head.environ = std::move(environment.fields);
  if (environment.https) head.flags |= wire::RequestHead::kHttps;
  if (route.script_reloading == ScriptReloading::On) head.flags |= wire::RequestHead::kReloading;
  if (route.script_reloading == ScriptReloading::Rolling) {
    head.flags |= wire::RequestHead::kRolling;
  }
  if (body.has_body) head.flags |= wire::RequestHead::kHasBody;
  head.content_length = body.content_length;
  head.script_modified_us = r.finfo.mtime;
  head.request_start_us = r.request_time;
  head.queue_start_us = apr_time_now();
  head.script = route.script;
  head.application_group = route.application_group;
  head.callable = route.callable;
  return head;
}

/// poll() knows whole milliseconds only: what is shorter is slept through.
int poll_until(Deadline deadline, pollfd* polled, nfds_t count) {
  const auto left = deadline - Clock::now();
  if (left <= Clock::duration::zero() || left >= milliseconds{1}) {
    return ::poll(polled, count, poll_timeout(deadline));
  }
  const timespec rest{0, std::chrono::nanoseconds(left).count()};
  ::nanosleep(&rest, nullptr);
  return ::poll(polled, count, 0);
}

}  // namespace

Relay::Relay(request_rec& r, const Route& route, GroupClient& client, BodyFacts body)
    : r_(r),
      route_(route),
      client_(client),
      facts_(body),
      head_(head_of(r, route, body)),
      body_(r),
      stored_(kReplayBytes, static_cast<std::uint64_t>(buffering_limit()) + kReplayBytes),
      response_(r, response_timeout()),
      client_socket_(client_socket_of(r)),
      ahead_(r, response_, client_socket_, client.group().settings.response_buffering_bytes),
      started_(Clock::now()),
      progress_(started_),
      stream_look_(kShortestStreamLook) {
  let_body_wait(r.expecting_100 != 0 || body.content_length < 0 ||
                body.content_length > kReplayBytes);
}

std::int64_t Relay::buffering_limit() const noexcept {
  return client_.group().settings.request_buffering_bytes;
}

void Relay::let_body_wait(bool waits) noexcept {
  constexpr std::uint8_t kFlag = wire::RequestHead::kExpectsContinue;
  body_waits_for_worker_ = facts_.has_body && waits;
  body_may_flow_ = facts_.has_body && !waits;
  head_.flags = static_cast<std::uint8_t>(body_waits_for_worker_ ? head_.flags | kFlag
                                                                 : head_.flags & ~kFlag);
}

/// Before a worker is asked: a slow client holds a thread of httpd, none of Python.
Result<Relay::Step> Relay::buffer_body() {
  const std::int64_t limit = buffering_limit();
  if (!facts_.has_body || limit == 0 || facts_.content_length > limit) return Step::GoOn;
  while (!body_has_ended_ && stored_.size() <= static_cast<std::uint64_t>(limit)) {
    const ClientBody::Piece piece = body_.read(true);
    body_has_ended_ = piece.state == ClientBody::State::End;
    if (body_has_ended_) break;
    if (piece.state != ClientBody::State::Data) return abort_body(piece.state);
    const std::string_view data = piece.data.substr(0, kReplayBytes);
    if (const Result<void> kept = stored_.append(data); !kept) return failed(kept);
    body_.consume(data.size());
  }
  let_body_wait(!body_has_ended_ || stored_.size() > kReplayBytes);
  return Step::GoOn;
}

/// The worker ended before it had read the whole head, and a part of a head is never executed. With
/// a body behind it the bytes that were not read could be the body's.
bool Relay::was_never_read(const Error& error) const noexcept {
  const bool only_head = !facts_.has_body || (body_waits_for_worker_ && !body_may_flow_);
  return only_head && !accepted_ && channel::left_bytes_unread(error);
}

int Relay::run() {
  if (client_.is_paused()) {
    refuse_paused_group();
    return status_;
  }
  const Result<Step> buffered = buffer_body();
  if (!buffered) return explain(buffered.error());
  if (*buffered == Step::Done) return status_;
  start_clock();
  connection_ = client_.take_idle();
  for (;;) {
    fresh_ = connection_ == nullptr;
    if (fresh_) {
      const Result<Step> connected = connect();
      if (!connected) return explain(connected.error());
      if (*connected == Step::Done) return status_;
    }
    if (const Result<void> queued = queue_request(); !queued) return explain(queued.error());
    Result<Step> step = converse();
    if (!step && was_never_read(step.error())) step = Step::Again;
    if (!step) return explain(step.error());
    if (*step == Step::Done) return status_;
    if (client_left_) return client_gone(), status_;
    // Again: on a connection of its own, where any worker with a free thread takes it.
    connection_.reset();
    if (may_go_on_asking() == Step::Done) return status_;
    if (fresh_) ::nanosleep(&kBetweenConnects, nullptr);
  }
}

Result<Relay::Step> Relay::connect() {
  const Deadline deadline = started_ + client_.group().settings.connect_timeout;
  if (client_.is_busy() && !join_queue()) return refuse_full_queue();
  for (;;) {
    if (!lets_others_go_first()) {
      Result<UniqueFd> socket = channel::connect_to(client_.group().socket_path);
      if (socket) {
        connection_ = std::make_unique<Connection>(std::move(*socket));
        return Step::GoOn;
      }
      const int why = socket.error().os_errno;
      if (why != EAGAIN && why != ECONNREFUSED) return failed(socket);
    }
    if (!join_queue()) return refuse_full_queue();
    if (may_go_on_asking() == Step::Done) return Step::Done;
    if (Clock::now() >= deadline) return refuse_busy_group();
    ::nanosleep(&kBetweenConnects, nullptr);
  }
}

Result<void> Relay::queue_request() {
  channel::Channel& channel = connection_->channel;
  if (connection_->is_new) {
    const wire::Hello hello{client_.group().token};
    if (auto queued = channel.queue(wire::FrameType::Hello, hello); !queued) return queued;
    connection_->is_new = false;
  }
  if (auto queued = channel.queue(wire::FrameType::RequestHead, head_); !queued) return queued;
  body_is_sent_ = false;
  head_has_left_ = false;
  bytes_have_left_ = false;
  forwarded_ = 0;
  handed_over_ = Clock::now();
  return {};
}

Result<Relay::Step> Relay::converse() {
  for (;;) {
    if (is_too_late()) {
      return is_queueing() ? leave_queue(&Relay::request_is_late) : request_is_late();
    }
    Result<Step> step = forward_body();
    if (!step || *step != Step::GoOn) return step;
    step = send_queued();
    if (!step || *step != Step::GoOn) return step;
    step = wait_for_news();
    if (!step || *step != Step::GoOn) return step;
  }
}

/// Writes what the worker takes now. A worker that has gone may have said why before.
Result<Relay::Step> Relay::send_queued() {
  channel::Channel& channel = connection_->channel;
  const std::size_t before = channel.queued_bytes();
  if (before == 0) return Step::GoOn;
  head_has_left_ = true;
  const Result<bool> flushed = channel.try_flush();
  if (channel.queued_bytes() < before) {
    progress_ = Clock::now();
    bytes_have_left_ = true;
  }
  if (flushed) return Step::GoOn;
  if (flushed.error().code != ErrorCode::PeerClosed) return failed(flushed);
  const Result<Step> said = take_frames();
  if (said && *said != Step::GoOn) return said;
  // Not one byte was taken, so nobody can have executed it.
  if (!fresh_ && !accepted_ && !bytes_have_left_) return Step::Again;
  return failed(flushed);
}

/// One batch after the other: a queue that never runs empty would keep all it has sent.
bool Relay::body_may_go_on() const noexcept {
  return body_may_flow_ && !body_is_sent_ &&
         (!head_has_left_ || connection_->channel.queued_bytes() == 0);
}

bool Relay::wants_client() const noexcept {
  return body_may_go_on() && !body_has_ended_ && forwarded_ == stored_.end();
}

/// Before its body has been read, a client may close its sending direction rightly. Nor is it
/// asked while a worker still has to get the rest: only with all of it can we say so there.
short Relay::hangup_to_watch() const noexcept {
  const bool is_sent =
      (!facts_.has_body || body_is_sent_) && connection_->channel.queued_bytes() == 0;
  if (client_left_ || is_on_its_way() || !(is_queueing() || is_sent)) return 0;
  return kHangup;
}

/// While the client was to take something, the worker had to wait.
Result<Relay::Step> Relay::feed_client() {
  const bool held_the_worker = ahead_.is_full();
  const Result<bool> fed = ahead_.feed();
  if (held_the_worker) progress_ = Clock::now();
  return went_to_client(fed);
}

/// Longer each time that nothing has come: an idle upload costs next to nothing.
Deadline Relay::next_stream_look() noexcept {
  const auto look = stream_look_;
  stream_look_ = std::min(look + look / 4, kLongestStreamLook);
  return Clock::now() + look;
}

Result<Relay::Step> Relay::wait_for_news() {
  const bool full = ahead_.is_full();
  if (!full && connection_->channel.has_buffered_frame()) return take_frames();

  const bool from_client = wants_client();
  const bool for_hangup = !facts_.has_body || body_has_ended_;
  const bool behind = ahead_.is_behind();
  const short hangup = hangup_to_watch();
  const bool polls_client = client_socket_ >= 0 && (from_client || for_hangup || behind);
  const bool has_queue = connection_->channel.queued_bytes() != 0;
  const auto events = [](bool wanted, short event) { return wanted ? event : short{0}; };
  // A worker that has to wait is not looked at: its end would wake us again and again.
  pollfd polled[2] = {{full && !has_queue ? -1 : connection_->channel.fd(), 0, 0},
                      {client_socket_, 0, 0}};
  polled[0].events = static_cast<short>(events(!full, POLLIN) | events(has_queue, POLLOUT));
  polled[1].events = static_cast<short>(events(from_client, POLLIN) | events(for_hangup, hangup) |
                                        events(behind, POLLOUT));

  const int ready = poll_until(next_look(from_client), polled, polls_client ? 2 : 1);
  if (ready < 0 && errno != EINTR) {
    return failed(ErrorCode::SocketFailed, subject() + ": poll", errno);
  }
  if (ready > 0 && behind && (polled[1].revents & (POLLOUT | kBroken)) != 0) {
    const Result<Step> step = feed_client();
    if (!step || *step != Step::GoOn) return step;
  }
  if (ready > 0 && (polled[0].revents & (POLLIN | kBroken)) != 0) return take_frames();
  if (ready > 0 && for_hangup && polls_client && (polled[1].revents & (hangup | kBroken)) != 0) {
    return (polled[1].revents & kBroken) != 0 ? client_gone() : client_closed_its_side();
  }
  if (client_socket_ < 0 && r_.connection->aborted != 0) return client_gone();
  return ready <= 0 ? look_at_limits() : Step::GoOn;
}

/// Queues what is stored and what has come from the client, as far as the worker may have it.
Result<Relay::Step> Relay::forward_body() {
  if (!body_may_go_on()) return Step::GoOn;
  channel::Channel& channel = connection_->channel;
  while (channel.queued_bytes() < kBatchBytes) {
    if (forwarded_ != stored_.end()) {
      const Result<std::string_view> data = stored_.read(forwarded_, kBatchBytes);
      if (!data) return failed(data);
      channel.queue(wire::FrameType::RequestBody, *data);
      forwarded_ += data->size();
      continue;
    }
    if (body_has_ended_) {
      channel.queue(wire::FrameType::RequestEnd);
      body_is_sent_ = true;
      return Step::GoOn;
    }
    const ClientBody::Piece piece = body_.read(false);
    if (piece.state == ClientBody::State::WouldWait) return Step::GoOn;
    body_has_ended_ = piece.state == ClientBody::State::End;
    if (body_has_ended_) continue;
    if (piece.state != ClientBody::State::Data) return abort_body(piece.state);
    const std::string_view data = piece.data.substr(0, wire::kMaxPayloadBytes);
    channel.queue(wire::FrameType::RequestBody, data);
    if (!body_waits_for_worker_) {
      if (const Result<void> kept = stored_.append(data); !kept) return failed(kept);
      forwarded_ += data.size();
    }
    body_.consume(data.size());
    progress_ = Clock::now();
    stream_look_ = kShortestStreamLook;
  }
  return Step::GoOn;
}

Relay::Step Relay::abort_body(ClientBody::State state) {
  const auto reason = state == ClientBody::State::TooSlow      ? wire::AbortReason::ClientTooSlow
                      : state == ClientBody::State::TooLarge   ? wire::AbortReason::BodyTooLarge
                      : state == ClientBody::State::ClientGone ? wire::AbortReason::ClientGone
                                                               : wire::AbortReason::BodyMalformed;
  // If the worker does not take it now, the end of the connection tells the same.
  if (connection_ != nullptr && connection_->channel.queue(wire::FrameType::RequestAbort, reason)) {
    [[maybe_unused]] const Result<bool> flushed = connection_->channel.try_flush();
  }
  if (state == ClientBody::State::ClientGone) return client_gone();
  if (state == ClientBody::State::Answered) return finish(AP_FILTER_ERROR);
  const int status = status_for(state);
  log(r_, LogLevel::Info,
      {ErrorCode::ClientBodyFailed,
       subject() + ": the client's body ended with an error (" + std::to_string(status) + ")"});
  if (connection_ == nullptr || is_queueing()) return finish(response_.refuse(status));
  // As in embedded mode the application has the last word: it may catch the error.
  r_.connection->keepalive = AP_CONN_CLOSE;
  body_has_ended_ = body_is_sent_ = true;
  return Step::GoOn;
}

}  // namespace wsgix::httpd

// SPDX-License-Identifier: Apache-2.0
// The attempts of one request, the loop that keeps both of its directions alive, and what the
// worker says.
#include "relay.hpp"

#include <poll.h>
#include <sys/socket.h>

#include <cerrno>

#include "client_socket.hpp"
#include "ending_text.hpp"
#include "log.hpp"
#include "relay_request.hpp"

namespace wsgix::httpd {

using relay::Ending;
using relay::kGoOn;
using relay::Step;
using wire::FrameType;
namespace {

Result<void> log_record(const request_rec& r, std::string_view payload) {
  const Result<wire::LogRecord> record = wire::decode_log_record(payload);
  if (!record) return failed(record);
  log_line(r, record->level, record->file, record->line, record->text);
  return {};
}

/// `reached`: false when the client has gone.
Result<Step> went_to_client(const Result<bool>& reached, Step then = kGoOn) {
  if (!reached) return failed(reached);
  return *reached ? then : end_with(Ending::ClientGone);
}

}  // namespace

Relay::Relay(request_rec& r, const Route& route, ConnectionPool& pool, BodyFacts body)
    : r_(r),
      route_(route),
      pool_(pool),
      head_(head_of(r, route, body)),
      client_socket_(client_socket_of(r)),
      timers_(limits_of(r, route), Clock::now()),
      body_(r, body, pool.group().settings.request_buffering_bytes),
      response_(r, client_socket_, timers_.limits().client_write,
                pool.group().settings.response_buffering_bytes),
      admission_(pool, timers_) {}

int Relay::run() {
  const Result<Step> last = serve();
  if (last) return finish(last->ending, {});
  return finish(relay::ending_for(last.error(), connection_ != nullptr), last.error());
}

/// Until the request has ended, or failed for a reason of our own.
Result<Step> Relay::serve() {
  if (pool_.is_paused()) return end_with(Ending::GroupPaused);
  if (const auto failure = failure_of(body_.buffer())) return end_with(ending_for(*failure));
  timers_.start(Clock::now());
  head_.queue_start_us = apr_time_now();
  head_.deadline_us = timers_.deadline_us();
  connection_ = pool_.take_idle();
  for (;;) {
    const bool is_fresh = connection_ == nullptr;
    if (is_fresh) {
      const Result<Step> connected = admission_.connect(connection_);
      if (!connected || *connected != kGoOn) return connected;
    }
    if (const Result<void> offered = offer(); !offered) return failed(offered);
    Result<Step> step = converse();
    if (!step && step.error().code == ErrorCode::PeerClosed) {
      const bool unread = channel::left_bytes_unread(step.error());
      step = attempt_->connection_lost(unread ? relay::Unread::Proven : relay::Unread::No);
    }
    if (!step || step->kind != Step::Kind::Again) return step;
    if (attempt_->client_side() == relay::ClientSide::Closed) return end_with(Ending::ClientGone);
    connection_.reset();
    if (!body_.can_be_repeated()) return end_with(admission_.nobody_took_it());
    if (const Step next = admission_.may_go_on_asking(); next != kGoOn) return next;
    if (is_fresh) Admission::rest();
  }
}

/// Queues the head for the worker at the other end.
Result<void> Relay::offer() {
  channel::Channel& channel = connection_->channel;
  channel.begin_request(channel.request() + 1);
  attempt_.emplace(channel.request(), connection_->is_new, body_.begin_attempt());
  if (connection_->is_new) {
    const wire::Hello hello{pool_.group().token};
    if (auto queued = channel.queue(FrameType::Hello, hello); !queued) return queued;
    connection_->is_new = false;
  }
  if (attempt_->upload() == relay::Upload::AwaitsWorker) {
    head_.flags |= wire::RequestHead::kExpectsContinue;
  }
  if (auto queued = channel.queue(FrameType::RequestHead, head_); !queued) {
    if (queued.error().code != ErrorCode::FrameTooLarge) return queued;
    return failed(ErrorCode::HeadTooLarge, queued.error().what);
  }
  timers_.handed_over(Clock::now());
  return {};
}

Result<Step> Relay::converse() {
  for (;;) {
    if (is_late()) {
      if (attempt_->is_queueing()) return leave_queue(Ending::DeadlinePassed);
      return end_with(Ending::DeadlinePassed);
    }
    Result<Step> step = forward_body();
    if (!step || *step != kGoOn) return step;
    step = send_queued();
    if (!step || *step != kGoOn) return step;
    step = wait_for_news();
    if (!step || *step != kGoOn) return step;
  }
}

/// Queues what is stored and what has come from the client, as far as the worker may have it.
Result<Step> Relay::forward_body() {
  channel::Channel& channel = connection_->channel;
  if (!attempt_->body_may_go_on(channel.queued_bytes())) return kGoOn;
  const auto forwarded = body_.forward(channel, !attempt_->has_started());
  if (!forwarded) return failed(forwarded);
  if (forwarded->client_sent) timers_.client_sent(Clock::now());
  if (forwarded->state == ClientBody::State::End) attempt_->body_is_queued();
  const auto failure = failure_of(forwarded->state);
  return failure ? body_failed(*failure) : kGoOn;
}

/// If the worker does not take that word now, the end of the connection tells the same.
Step Relay::body_failed(relay::BodyFailure why) {
  channel::Channel& channel = connection_->channel;
  if (channel.queue(FrameType::RequestAbort, relay::abort_reason(why))) {
    [[maybe_unused]] const Result<bool> flushed = channel.try_flush();
  }
  const Step step = attempt_->body_failed(why);
  if (step != kGoOn) return step;
  log_end(LogLevel::Info, ending_for(why), {});
  r_.connection->keepalive = AP_CONN_CLOSE;
  body_.give_up();
  return step;
}

/// Writes what the worker takes now. A worker that has gone may have said why before.
Result<Step> Relay::send_queued() {
  channel::Channel& channel = connection_->channel;
  const std::size_t before = channel.queued_bytes();
  if (before == 0) return kGoOn;
  const Result<bool> flushed = channel.try_flush();
  const std::size_t written = before - channel.queued_bytes();
  attempt_->wrote(written);
  if (written != 0) timers_.moved(Clock::now());
  if (flushed) return kGoOn;
  if (flushed.error().code != ErrorCode::PeerClosed) return failed(flushed);
  const Result<Step> said = take_frames();
  return said && *said == kGoOn ? failed(flushed) : said;
}

relay::Situation Relay::situation() const {
  relay::Situation now;
  now.queues = attempt_->is_queueing();
  now.is_shown = admission_.is_in_queue();
  now.body_is_due = attempt_->body_may_go_on(connection_->channel.queued_bytes());
  now.wants_client = now.body_is_due && body_.waits_for_client();
  now.client_is_full = response_.client_is_full();
  now.client_is_behind = response_.client_is_behind();
  now.client_took = response_.client_took();
  now.is_stream = client_socket_ < 0;
  return now;
}

Result<Step> Relay::wait_for_news() {
  const relay::Situation now = situation();
  channel::Channel& channel = connection_->channel;
  if (!now.client_is_full && channel.has_buffered_frame()) return take_frames();

  const std::size_t queued = channel.queued_bytes();
  // Before its body has been read, a client may close its sending direction rightly.
  const bool has_finished = body_.client_has_finished();
  const bool asks =
      has_finished && attempt_->asks_for_client(queued) && !timers_.is_on_its_way(Clock::now());
  const short hangup = asks ? kHangup : short{0};
  const auto events = [](bool wanted, short event) { return wanted ? event : short{0}; };
  // A worker that has to wait is not looked at: its end would wake us again and again.
  pollfd polled[2] = {{now.client_is_full && queued == 0 ? -1 : channel.fd(), 0, 0},
                      {client_socket_, 0, 0}};
  auto& [worker, client] = polled;
  worker.events =
      static_cast<short>(events(!now.client_is_full, POLLIN) | events(queued != 0, POLLOUT));
  client.events = static_cast<short>(hangup | events(now.wants_client, POLLIN) |
                                     events(now.client_is_behind, POLLOUT));
  if (!now.wants_client && !has_finished && !now.client_is_behind) client.fd = -1;

  const int ready = poll_until(timers_.next_look(now, Clock::now()), polled, 2);
  if (ready < 0 && errno != EINTR) return failed(ErrorCode::SocketFailed, "poll", errno);
  if (now.client_is_behind && (client.revents & (POLLOUT | kBroken)) != 0) {
    const Result<Step> step = feed_client();
    if (!step || *step != kGoOn) return step;
  }
  if ((worker.revents & (POLLIN | kBroken)) != 0) return take_frames();
  if (has_finished && (client.revents & kBroken) != 0) return end_with(Ending::ClientGone);
  if ((client.revents & hangup) != 0) {
    const Step step = attempt_->client_closed_its_side();
    // The worker sees our side closed in turn, and tells the application that asks.
    if (step == kGoOn) ::shutdown(channel.fd(), SHUT_WR);
    return step;
  }
  if (now.is_stream && r_.connection->aborted != 0) return end_with(Ending::ClientGone);
  return ready <= 0 ? look_at_limits() : kGoOn;
}

/// Everything that is here. What it brought of the body leaves for the client when the worker
/// pauses: so a small response is one brigade, and a streamed block is never held back.
Result<Step> Relay::take_frames() {
  while (!response_.client_is_full() && !is_late()) {
    const Result<std::optional<channel::Frame>> frame = connection_->channel.try_receive();
    if (!frame) return failed(frame);
    if (!*frame) break;
    timers_.moved(Clock::now());
    const Result<Step> step = on_frame(**frame);
    if (!step || *step != kGoOn) return step;
  }
  return went_to_client(response_.flush());
}

/// The attempt says where the frame leads; what it carries is taken here.
Result<Step> Relay::on_frame(const channel::Frame& frame) {
  const Result<Step> step = attempt_->take(frame.request, frame.type);
  if (!step) return step;
  Result<void> taken;
  switch (frame.type) {
    case FrameType::Welcome: taken = welcome(frame.payload); break;
    case FrameType::Log: taken = log_record(r_, frame.payload); break;
    case FrameType::WantBody:
      if (!body_.client_has_finished() && !response_.has_left()) body_.invite();
      break;
    case FrameType::EarlyHints: taken = response_.early_hints(frame.payload); break;
    case FrameType::ResponseHead: taken = response_.head(frame.payload); break;
    case FrameType::ResponseBody: return went_to_client(response_.body(frame.payload));
    case FrameType::ResponseFile:
      return went_to_client(response_.file(frame.payload, connection_->channel.take_descriptor()));
    case FrameType::ResponseCut: taken = response_.failure(frame.payload); break;
    case FrameType::Failure:
      taken = response_.failure(frame.payload);
      if (taken) let_go_of_connection();
      break;
    case FrameType::ResponseEnd:
      // Before the last bytes go to the client: a slow one must not hold the worker's connection.
      let_go_of_connection();
      return went_to_client(response_.drain(), *step);
    case FrameType::Busy:
      let_go_of_connection();
      if (!admission_.join_queue()) return end_with(Ending::QueueFull);
      break;
    case FrameType::Closing: break;
    default:  // the attempt takes no other
      return failed(ErrorCode::BrokenInvariant, "a frame of a child came from a worker");
  }
  return taken ? step : failed(taken);
}

Result<void> Relay::welcome(std::string_view payload) {
  timers_.handed_over(Clock::now());
  admission_.leave_queue();
  return connection_->welcome(payload);
}

void Relay::let_go_of_connection() {
  if (attempt_->leaves_an_idle_connection(connection_->channel.queued_bytes())) {
    pool_.give_back(std::move(connection_));
  }
  connection_.reset();
}

/// While the client was to take something, the worker had to wait.
Result<Step> Relay::feed_client() {
  const bool held_the_worker = response_.client_is_full();
  const Result<bool> fed = response_.feed();
  if (held_the_worker) timers_.moved(Clock::now());
  return went_to_client(fed);
}

/// Nothing has happened until the next look.
Result<Step> Relay::look_at_limits() {
  const relay::Expired expired = timers_.expired(situation(), Clock::now());
  if (attempt_->is_queueing()) {
    const Step step = admission_.look_at_queue(expired);
    return step == kGoOn ? Result<Step>(step) : leave_queue(step.ending);
  }
  if (!response_.client_is_full() && connection_->worker_has_died(pool_.board())) {
    return failed(ErrorCode::PeerClosed, "the worker has died and its connection is still open");
  }
  switch (expired) {
    case relay::Expired::Nothing:
    case relay::Expired::Queue: break;
    case relay::Expired::ClientWrite: return end_with(Ending::ClientGone);
    case relay::Expired::ClientRead: return body_failed(relay::BodyFailure::TooSlow);
    case relay::Expired::Worker: return end_with(Ending::WorkerSilent);
  }
  return kGoOn;
}

/// A worker may have taken the request just now. It looks for our end before it executes, and says
/// Welcome before it looks: so without one nothing was and nothing will be executed.
Result<Step> Relay::leave_queue(Ending ending) {
  ::shutdown(connection_->channel.fd(), SHUT_WR);
  const Result<std::optional<channel::Frame>> last = connection_->channel.try_receive();
  const bool was_taken = last && *last && attempt_->take((*last)->request, (*last)->type) &&
                         attempt_->exchange() == wire::Exchange::Offered;
  if (!was_taken) {
    connection_.reset();
    return end_with(ending);
  }
  // What is said now names the worker that took it.
  if (const Result<void> named = welcome((*last)->payload); !named) return failed(named);
  return end_with(is_late() ? Ending::DeadlinePassed : Ending::WorkerSilent);
}

/// The one line and the one answer of this request.
int Relay::finish(Ending ending, const Error& failure) {
  if (const auto level = relay::outcome_of(ending).level) log_end(*level, ending, failure);
  connection_.reset();
  return response_.answer(ending, body_.client_has_finished());
}

void Relay::log_end(LogLevel level, Ending ending, const Error& failure) const {
  std::optional<std::uint32_t> worker;
  if (connection_) worker = connection_->worker.pid;
  log(r_, level,
      describe(ending, {r_, route_, pool_, timers_, head_.deadline_us, worker}, failure));
}

}  // namespace wsgix::httpd

// SPDX-License-Identifier: Apache-2.0
// How long each part of a request may take, and when the relay looks at it.
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>

#include "relay.hpp"

namespace wsgix::httpd {
namespace {

/// A stream of HTTP/2 does not wake anybody when the client resets it.
constexpr milliseconds kResetLook{250};
/// A request that waits for a thread so long is queued; before, it is only on its way to one, and
/// nobody asks whether its client has left.
constexpr milliseconds kOnItsWay{250};
/// mod_reqtimeout notices a slow body only when somebody reads.
constexpr milliseconds kBodyLook{1000};
/// A worker with a free thread takes a connection sooner; whoever is not taken by then waits.
constexpr milliseconds kTakenSoon{10};
/// A process that the application forked may hold a copy of the connection: then its end tells
/// nobody that the worker has died.
constexpr milliseconds kDeathLook{250};
/// Nobody tells a waiting request that the operator has paused its group.
constexpr milliseconds kPauseLook{250};

Clock::duration first_of(milliseconds one, milliseconds other, const request_rec& r) {
  if (one > milliseconds::zero()) return one;
  if (other > milliseconds::zero()) return other;
  return std::chrono::microseconds(r.server->timeout);
}

}  // namespace

/// A buffered body has come by now: what a slow client took for it counts for nothing.
void Relay::start_clock() {
  started_ = progress_ = Clock::now();
  head_.queue_start_us = apr_time_now();
  if (route_.deadline.span == milliseconds::zero()) return;
  request_deadline_ = started_ + route_.deadline.span;
  head_.deadline_us =
      std::chrono::duration_cast<std::chrono::microseconds>(request_deadline_.time_since_epoch())
          .count();
}

/// For a write to the client that does not get on.
Clock::duration Relay::response_timeout() const noexcept {
  const config::DaemonSettings& settings = client_.group().settings;
  return first_of(settings.response_socket_timeout, settings.socket_timeout, r_);
}

Deadline Relay::client_deadline() const noexcept {
  return ahead_.stalled_since() + response_timeout();
}

/// For all attempts together: workers that always refuse must not hold a request for ever.
Deadline Relay::queue_deadline() const noexcept {
  const config::DaemonSettings& settings = client_.group().settings;
  return started_ + first_of(settings.queue_timeout, settings.socket_timeout, r_);
}

Deadline Relay::current_deadline() const noexcept {
  if (is_queueing()) return queue_deadline();
  // While the client is to send, its slowness is judged by httpd's Timeout.
  if (wants_client()) return progress_ + std::chrono::microseconds(r_.server->timeout);
  if (ahead_.is_full()) return client_deadline();
  const Deadline workers = progress_ + first_of(client_.group().settings.socket_timeout, {}, r_);
  return ahead_.is_behind() ? std::min(workers, client_deadline()) : workers;
}

/// When something has to be looked at that wakes nobody.
Deadline Relay::next_look(bool from_client) noexcept {
  const bool is_stream = client_socket_ < 0;
  Deadline look = std::min(current_deadline(), request_deadline_);
  if (from_client) {
    look = std::min(look, is_stream ? next_stream_look() : after(kBodyLook));
  } else if (body_may_go_on()) {
    return Clock::now();  // more of a stored body is due
  } else if (is_stream) {
    look = std::min(look, after(kResetLook));
  } else if (is_on_its_way()) {
    look = std::min(look, started_ + kOnItsWay);
  }
  if (!is_queueing()) return ahead_.is_full() ? look : std::min(look, after(kDeathLook));
  if (waiting_) return std::min(look, after(kPauseLook));
  const Clock::duration queued = Clock::now() - handed_over_;
  return std::min(look, after(std::clamp<Clock::duration>(queued, kTakenSoon, kPauseLook)));
}

bool Relay::is_on_its_way() const noexcept { return Clock::now() < started_ + kOnItsWay; }

bool Relay::is_too_late() const noexcept {
  return request_deadline_ != kNever && Clock::now() >= request_deadline_;
}

/// False: so many wait already that this request may not.
bool Relay::join_queue() {
  if (waiting_) return true;
  waiting_.emplace(client_.board(), static_cast<std::uint32_t>(::getpid()));
  const auto limit = static_cast<std::uint32_t>(client_.group().settings.queue_limit);
  if (limit == 0) return true;
  // Who came later does not count: of many that come at once, so many stay.
  const auto before = scoreboard::waiting_requests(client_.board(), waiting_->since_us());
  if (before.count < limit) return true;
  waiting_.reset();
  return false;
}

/// A full backlog takes whoever comes first when a place becomes free, be it the latest.
bool Relay::lets_others_go_first() {
  if (!waiting_ || !client_.somebody_waits_long()) return false;
  const auto places = static_cast<std::uint32_t>(client_.group().settings.listen_backlog);
  return scoreboard::waiting_requests(client_.board(), waiting_->since_us()).count > places;
}

/// Between two attempts: nobody has the request.
Relay::Step Relay::may_go_on_asking() {
  if (client_.is_paused()) return refuse_paused_group();
  if (is_too_late()) return request_is_late();
  if (Clock::now() >= queue_deadline()) return refuse_busy_group();
  return Step::GoOn;
}

/// Nothing has happened until next_look().
Result<Relay::Step> Relay::look_at_limits() {
  const auto now = Clock::now();
  if (is_queueing()) {
    if (client_.is_paused()) return leave_queue(&Relay::refuse_paused_group);
    if (now >= queue_deadline()) return leave_queue(&Relay::refuse_busy_group);
    const bool waits_now = now >= handed_over_ + kTakenSoon && client_.is_busy();
    if (waits_now && !join_queue()) return leave_queue(&Relay::refuse_full_queue);
    return Step::GoOn;
  }
  if (worker_has_died()) {
    return failed(ErrorCode::PeerClosed, "the worker has died and its connection is still open");
  }
  return now >= current_deadline() ? worker_is_silent() : Step::GoOn;
}

/// What it has said before is read first.
bool Relay::worker_has_died() const noexcept {
  if (!connection_->welcomed || ahead_.is_full()) return false;
  const auto death = scoreboard::find_death(client_.board(), connection_->worker.pid);
  if (!death || death->at_us < connection_->welcomed_us) return false;
  pollfd worker{connection_->channel.fd(), POLLIN, 0};
  return ::poll(&worker, 1, 0) == 0;
}

/// A worker may have taken the request just now. It looks for our end before it executes, and says
/// Welcome before it looks: so without one nothing was and nothing will be executed.
Result<Relay::Step> Relay::leave_queue(Step (Relay::*answer)()) {
  ::shutdown(connection_->channel.fd(), SHUT_WR);
  const Result<std::optional<channel::Frame>> last = connection_->channel.try_receive();
  const bool was_taken = last && *last && (*last)->type == wire::FrameType::Welcome;
  if (!was_taken) {
    connection_.reset();
    return (this->*answer)();
  }
  // What is said now names the worker that took it.
  if (const Result<Step> named = on_welcome((*last)->payload); !named) return named;
  return is_too_late() ? request_is_late() : worker_is_silent();
}

}  // namespace wsgix::httpd

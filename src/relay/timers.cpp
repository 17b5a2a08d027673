// SPDX-License-Identifier: Apache-2.0
#include "wsgix/relay/timers.hpp"

#include <algorithm>

namespace wsgix::relay {
namespace {

/// A stream of HTTP/2 does not wake anybody when the client resets it.
constexpr milliseconds kResetLook{250};
/// While its body flows, the next piece comes about as fast as the client learns that there is
/// room for it.
constexpr std::chrono::microseconds kShortestStreamLook{100};
constexpr std::chrono::microseconds kLongestStreamLook{5000};
/// A request that waits for a thread so long is queued; before, it is only on its way to one.
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

}  // namespace

Timers::Timers(const Limits& limits, Time now) noexcept
    : limits_(limits),
      started_(now),
      handed_over_(now),
      progress_(now),
      stream_look_(kShortestStreamLook) {}

void Timers::start(Time now) noexcept {
  started_ = handed_over_ = progress_ = now;
  if (limits_.whole > Clock::duration::zero()) request_deadline_ = now + limits_.whole;
}

void Timers::client_sent(Time now) noexcept {
  progress_ = now;
  stream_look_ = kShortestStreamLook;
}

std::int64_t Timers::deadline_us() const noexcept {
  using std::chrono::microseconds;
  if (!has_deadline()) return 0;
  return std::chrono::duration_cast<microseconds>(request_deadline_.time_since_epoch()).count();
}

bool Timers::is_on_its_way(Time now) const noexcept { return now < started_ + kOnItsWay; }

bool Timers::should_have_been_taken(Time now) const noexcept {
  return now >= handed_over_ + kTakenSoon;
}

Deadline Timers::current_deadline(const Situation& situation) const noexcept {
  if (situation.queues) return queue_deadline();
  if (situation.wants_client) return progress_ + limits_.client_read;
  if (situation.client_is_full) return client_deadline(situation);
  const Deadline workers = progress_ + limits_.worker;
  return situation.client_is_behind ? std::min(workers, client_deadline(situation)) : workers;
}

Expired Timers::expired(const Situation& situation, Time now) const noexcept {
  if (now < current_deadline(situation)) return Expired::Nothing;
  if (situation.queues) return Expired::Queue;
  if (situation.client_is_behind && now >= client_deadline(situation)) return Expired::ClientWrite;
  return situation.wants_client ? Expired::ClientRead : Expired::Worker;
}

Deadline Timers::next_look(const Situation& situation, Time now) noexcept {
  if (!situation.wants_client && situation.body_is_due) return now;
  Deadline look = std::min(current_deadline(situation), request_deadline_);
  if (situation.wants_client) {
    look = std::min(look, situation.is_stream ? next_look_at_stream(now) : now + kBodyLook);
  } else if (situation.is_stream) {
    look = std::min(look, now + kResetLook);
  } else if (is_on_its_way(now)) {
    look = std::min(look, started_ + kOnItsWay);
  }
  if (situation.queues) return std::min(look, next_look_at_queue(situation, now));
  return situation.client_is_full ? look : std::min(look, now + kDeathLook);
}

Deadline Timers::next_look_at_queue(const Situation& situation, Time now) const noexcept {
  if (situation.is_shown) return now + kPauseLook;
  return now + std::clamp<Clock::duration>(now - handed_over_, kTakenSoon, kPauseLook);
}

/// Longer each time that nothing has come: an idle upload costs next to nothing.
Deadline Timers::next_look_at_stream(Time now) noexcept {
  const auto look = stream_look_;
  stream_look_ = std::min(look + look / 4, kLongestStreamLook);
  return now + look;
}

}  // namespace wsgix::relay

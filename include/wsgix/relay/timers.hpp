// SPDX-License-Identifier: Apache-2.0
// relay/timers.hpp: how long each part of a request may take, and when its relay has to look at
// what wakes nobody.
//
// Pure: every point in time is an argument.
#pragma once

#include <chrono>
#include <cstdint>

#include "wsgix/base/clock.hpp"

namespace wsgix::relay {

/// Zero for `whole` means none.
struct Limits {
  Clock::duration queue;         ///< for all attempts together, until a worker takes the request
  Clock::duration worker;        ///< until it sends or takes something again
  Clock::duration client_read;   ///< until the client sends the next piece of its body
  Clock::duration client_write;  ///< until the client takes something again
  Clock::duration whole;         ///< until the response is complete
};

/// What the relay does just now.
struct Situation {
  bool queues = false;              ///< no worker has taken the connection
  bool is_shown = false;            ///< the board counts the request as waiting
  bool wants_client = false;        ///< the next thing due is the client's body
  bool body_is_due = false;         ///< more of a stored body can be sent at once
  bool client_is_full = false;      ///< the worker has to wait until the client takes some
  bool client_is_behind = false;    ///< something waits for the client
  Clock::time_point client_took{};  ///< when it took something last, or began to be behind
  bool is_stream = false;           ///< of HTTP/2: no socket of its own to poll
};

enum class Expired : std::uint8_t {
  Nothing,
  Queue,
  Worker,
  ClientRead,
  ClientWrite,
};

class Timers {
 public:
  using Time = Clock::time_point;

  Timers(const Limits& limits, Time now) noexcept;
  const Limits& limits() const noexcept { return limits_; }

  // ---- what happens ----

  /// A buffered body has come by now: what a slow client took for it counts for nothing.
  void start(Time now) noexcept;
  /// The request was queued on a connection, or a worker has taken that.
  void handed_over(Time now) noexcept { handed_over_ = now; }
  /// Bytes have moved, in either direction.
  void moved(Time now) noexcept { progress_ = now; }
  void client_sent(Time now) noexcept;

  // ---- what is so ----

  Time started() const noexcept { return started_; }
  Time handed_over() const noexcept { return handed_over_; }
  Time progress() const noexcept { return progress_; }
  /// Of the whole request, in microseconds of CLOCK_MONOTONIC; 0: none.
  std::int64_t deadline_us() const noexcept;
  Deadline queue_deadline() const noexcept { return started_ + limits_.queue; }
  bool has_deadline() const noexcept { return request_deadline_ != kNever; }
  bool request_is_late(Time now) const noexcept {
    return has_deadline() && now >= request_deadline_;
  }
  /// It waits for so short a time that nobody asks yet whether its client has left.
  bool is_on_its_way(Time now) const noexcept;
  /// A worker with a free thread would have taken it by now.
  bool should_have_been_taken(Time now) const noexcept;
  /// But for the deadline of the whole request, which request_is_late() tells.
  Expired expired(const Situation& situation, Time now) const noexcept;
  /// When something has to be looked at that wakes nobody. Each call for a stream that sends its
  /// body puts the next look off a little.
  Deadline next_look(const Situation& situation, Time now) noexcept;

 private:
  Deadline current_deadline(const Situation& situation) const noexcept;
  Deadline next_look_at_queue(const Situation& situation, Time now) const noexcept;
  Deadline next_look_at_stream(Time now) noexcept;
  Deadline client_deadline(const Situation& situation) const noexcept {
    return situation.client_took + limits_.client_write;
  }

  Limits limits_;
  Time started_;
  Time handed_over_;
  Time progress_;
  Deadline request_deadline_ = kNever;
  std::chrono::microseconds stream_look_;
};

}  // namespace wsgix::relay

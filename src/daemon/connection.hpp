// SPDX-License-Identifier: Apache-2.0
// daemon/connection.hpp: what is known about one connection between two reports of the poller.
#pragma once

#include <atomic>

#include "wsgix/base/clock.hpp"
#include "wsgix/channel/channel.hpp"
#include "wsgix/wire/dialogue.hpp"

namespace wsgix::daemon {

struct Connection {
  explicit Connection(UniqueFd socket) noexcept : channel(std::move(socket)) {}

  enum class Hold : std::uint8_t {
    Taken,   ///< one thread owns everything below
    Parked,  ///< the poller reports when there is something to do
    Closed,
  };
  /// A second thread that was told of the same event loses, and must not touch the rest.
  bool take() noexcept {
    Hold expected = Hold::Parked;
    return hold.compare_exchange_strong(expected, Hold::Taken);
  }

  std::atomic<Hold> hold = Hold::Taken;
  wire::Intake intake;
  bool closing = false;  ///< nothing follows what is queued
  bool in_poller = false;
  Clock::time_point since = Clock::now();
  bool from_backlog = true;  ///< waited for a thread: its child may have given up meanwhile
  channel::Channel channel;
};

}  // namespace wsgix::daemon

// SPDX-License-Identifier: Apache-2.0
// scoreboard/waiting.hpp: the requests that wait for a worker with a free thread.
#pragma once

#include <cstdint>
#include <limits>
#include <vector>

#include "wsgix/scoreboard/scoreboard.hpp"

namespace wsgix::scoreboard {

/// Shows one waiting request while it lives. Without a free slot it is not counted.
class HeldWaitSlot {
 public:
  HeldWaitSlot(Board& board, std::uint32_t pid) noexcept;
  HeldWaitSlot(const HeldWaitSlot&) = delete;
  HeldWaitSlot& operator=(const HeldWaitSlot&) = delete;
  ~HeldWaitSlot();

  std::int64_t since_us() const noexcept { return since_us_; }

 private:
  WaitSlot* slot_ = nullptr;
  const std::int64_t since_us_;
};

struct Waiting {
  std::uint32_t count = 0;
  std::int64_t oldest_us = 0;  ///< when it began to wait; 0: none waits
};
/// Those that began to wait before that time. Takes back what httpd children have left behind that
/// no longer exist.
Waiting waiting_requests(
    Board& board, std::int64_t before_us = std::numeric_limits<std::int64_t>::max()) noexcept;

/// When each of them began to wait, in no order. Takes back the same slots.
std::vector<std::int64_t> waiting_since(Board& board);

/// Whose turn it is to ask a full group for a thread.
struct Turn {
  bool somebody_waits_long = false;  ///< nobody may overtake those that wait
  std::int64_t last_us = 0;          ///< who began to wait later lets the others go first
};
inline constexpr std::int64_t kEverybodysTurn = std::numeric_limits<std::int64_t>::max();
/// `slots`: so many fit into the backlog of the group's socket. `long_before_us`: who began to
/// wait before that has waited for long.
Turn turn_of(std::vector<std::int64_t> since, std::size_t slots, std::int64_t long_before_us);

}  // namespace wsgix::scoreboard

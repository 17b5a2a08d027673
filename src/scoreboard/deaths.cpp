// SPDX-License-Identifier: Apache-2.0
#include "wsgix/scoreboard/deaths.hpp"

#include <algorithm>

namespace wsgix::scoreboard {

std::vector<RecentDeath> recent_deaths(const Board& board, std::uint32_t most) {
  const std::uint32_t next = board.next_death.load(std::memory_order_acquire);
  most = std::min({most, next, static_cast<std::uint32_t>(kDeathSlots)});
  std::vector<RecentDeath> deaths;
  for (std::uint32_t number = next; number != next - most; --number) {
    const DeathSlot& slot = board.deaths[(number - 1) % kDeathSlots];
    const std::uint32_t pid = slot.pid.load(std::memory_order_acquire);
    if (pid == 0) continue;  // being written
    deaths.push_back({number, pid, slot.wait_status.load(std::memory_order_relaxed),
                      slot.reason.load(std::memory_order_relaxed),
                      slot.at_us.load(std::memory_order_relaxed)});
  }
  return deaths;
}

}  // namespace wsgix::scoreboard

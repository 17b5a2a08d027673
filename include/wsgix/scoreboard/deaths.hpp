// SPDX-License-Identifier: Apache-2.0
// scoreboard/deaths.hpp: the workers that ended last, for people.
#pragma once

#include <cstdint>
#include <vector>

#include "wsgix/scoreboard/scoreboard.hpp"

namespace wsgix::scoreboard {

struct RecentDeath {
  std::uint32_t number;  ///< counts up with each
  std::uint32_t pid;
  std::int32_t wait_status;
  EndReason reason;
  std::int64_t at_us;
};

/// The newest first.
std::vector<RecentDeath> recent_deaths(const Board& board, std::uint32_t most);

}  // namespace wsgix::scoreboard

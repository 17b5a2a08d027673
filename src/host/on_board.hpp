// SPDX-License-Identifier: Apache-2.0
// host/on_board.hpp: what the supervisor decided, in the words of the scoreboard.
#pragma once

#include "wsgix/scoreboard/scoreboard.hpp"
#include "wsgix/supervisor/group.hpp"

namespace wsgix::host {

scoreboard::EndReason for_board(supervisor::Reason reason) noexcept;
scoreboard::WorkerState for_board(supervisor::State state) noexcept;

}  // namespace wsgix::host

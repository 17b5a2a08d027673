// SPDX-License-Identifier: Apache-2.0
// host/turn.hpp: what a host waits for before it begins. False: nobody wants it any more.
#pragma once

#include "handover.hpp"
#include "wsgix/config/daemon_settings.hpp"
#include "wsgix/scoreboard/scoreboard.hpp"

namespace wsgix::host {

/// The pause after hosts that ended early.
bool wait_for_turn(const Handover& handover, milliseconds pause);

/// Two of a service would do its work twice. So the predecessor is told to end, and this returns
/// once none of its processes lives, or has outlived the times of its group: what is on the board
/// cannot keep a host waiting for ever.
bool outlive_predecessor(const Handover& handover, const config::DaemonSettings& daemon,
                         const scoreboard::Board& board);

}  // namespace wsgix::host

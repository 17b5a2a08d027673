// SPDX-License-Identifier: Apache-2.0
// host/succession.hpp: how a service follows the one before it.
#pragma once

#include "wsgix/scoreboard/scoreboard.hpp"

namespace wsgix::host {

/// Two of a service would do its work twice. So the predecessor is told to end, and this returns
/// once none of its processes lives. False: this host is not wanted any more itself.
bool outlive_predecessor(const scoreboard::Board& board);

}  // namespace wsgix::host

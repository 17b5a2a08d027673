// SPDX-License-Identifier: Apache-2.0
// host/group_report.hpp: the state of a group as its scoreboard shows it, in words for people.
#pragma once

#include "wsgix/config/daemon_settings.hpp"
#include "wsgix/scoreboard/scoreboard.hpp"
#include "wsgix/wire/group_status.hpp"

namespace wsgix::host {

/// Workers have access to the board: any bytes in it give an answer, which may be nonsense.
wire::GroupStatus report_group(const config::HostSettings& settings, scoreboard::Board& board);

}  // namespace wsgix::host

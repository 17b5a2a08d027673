// SPDX-License-Identifier: Apache-2.0
// scoreboard/scripts.hpp: the scripts that a group has served, so that a new worker, also of a
// later host, loads them before it serves, written by supervisors; and which failures of scripts
// the log has already, so that each worker does not write down the same traceback.
#pragma once

#include <chrono>
#include <cstdint>
#include <vector>

#include "wsgix/scoreboard/scoreboard.hpp"
#include "wsgix/wsgi/script_ref.hpp"

namespace wsgix::scoreboard {

/// What no request has used for so long, while others were used, is forgotten: the configuration
/// may not know it any more.
inline constexpr std::chrono::hours kScriptMemory{1};

/// Remembers it as configured, used at `now_us`; a known one changes its reloading. False: there is
/// no room, or it is too long.
bool remember_script(Board& board, const wsgi::ScriptRef& script, std::int64_t now_us);
std::vector<wsgi::OwnedScriptRef> known_scripts(const Board& board);

/// Counts one more and returns how many workers had it before, in this generation of the group.
/// `failure`: a digest of the script's version and the cause. With too many different ones the
/// oldest are forgotten and count from 0 again.
std::uint32_t count_failure(Board& board, std::uint64_t failure) noexcept;

}  // namespace wsgix::scoreboard

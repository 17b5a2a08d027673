// SPDX-License-Identifier: Apache-2.0
// scoreboard/scripts.hpp: the scripts that a group has served, so that a new worker, also of a
// later host, loads them before it serves. Written by supervisors.
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include "wsgix/scoreboard/scoreboard.hpp"

namespace wsgix::scoreboard {

struct KnownScript {
  std::string path;
  std::string application_group;
  std::string callable;
  ScriptReloading reloading = ScriptReloading::Off;

  bool operator==(const KnownScript&) const = default;
};

/// What no request has used for so long, while others were used, is forgotten: the configuration
/// may not know it any more.
inline constexpr std::chrono::hours kScriptMemory{1};

/// Remembers it, used at `now_us`; a known one changes its reloading. False: there is no room, or
/// it is too long.
bool remember_script(Board& board, const KnownScript& script, std::int64_t now_us);
std::vector<KnownScript> known_scripts(const Board& board);

}  // namespace wsgix::scoreboard

// SPDX-License-Identifier: Apache-2.0
// scoreboard/scripts.hpp: the scripts that a group has served, so that a new worker, also of a
// later host, loads them before it serves. Written by supervisors.
#pragma once

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

/// Remembers it; a known one only changes its reloading. False: there is no room, or it is too
/// long.
bool remember_script(Board& board, const KnownScript& script);
std::vector<KnownScript> known_scripts(const Board& board);

}  // namespace wsgix::scoreboard

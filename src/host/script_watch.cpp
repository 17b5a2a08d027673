// SPDX-License-Identifier: Apache-2.0
#include "script_watch.hpp"

#include <algorithm>

namespace wsgix::host {
namespace {

using scoreboard::KnownScript;
using scoreboard::ScriptReloading;

}  // namespace

ScriptWatch::ScriptWatch(scoreboard::Board& board) : board_(board) {
  for (const KnownScript& script : scoreboard::known_scripts(board)) {
    files_.add(script.path, std::nullopt);
  }
}

void ScriptWatch::remember(const daemon::ScriptUse& script) {
  const auto reloading = script.rolling     ? ScriptReloading::Rolling
                         : script.reloading ? ScriptReloading::On
                                            : ScriptReloading::Off;
  const bool known = scoreboard::remember_script(
      board_, {script.path, script.application_group, script.callable, reloading});
  if (!known) return;
  const bool has_time = script.modified_us != 0;
  files_.add(script.path, has_time ? std::optional(script.modified_us) : std::nullopt);
}

std::vector<std::string> ScriptWatch::changed() {
  std::vector<std::string> paths = files_.look();
  std::erase_if(paths, [this](const std::string& path) { return !is_reloaded(path); });
  return paths;
}

std::vector<KnownScript> ScriptWatch::known() const {
  std::vector<KnownScript> known = scoreboard::known_scripts(board_);
  std::erase_if(known, [](const KnownScript& script) {
    return !os::modification_time_us(script.path).has_value();
  });
  return known;
}

bool ScriptWatch::is_reloaded(const std::string& path) const {
  const std::vector<KnownScript> known = scoreboard::known_scripts(board_);
  return std::any_of(known.begin(), known.end(), [&](const KnownScript& script) {
    return script.path == path && script.reloading != ScriptReloading::Off;
  });
}

std::vector<config::Preload> with_known_scripts(std::vector<config::Preload> preloads,
                                                const std::vector<KnownScript>& known) {
  for (const KnownScript& script : known) {
    const bool rolling = script.reloading == ScriptReloading::Rolling;
    const auto same = std::find_if(preloads.begin(), preloads.end(), [&](const auto& preload) {
      return preload.script == script.path && preload.callable == script.callable &&
             preload.application_group == script.application_group;
    });
    if (same != preloads.end()) {
      same->rolling = same->rolling || rolling;
    } else {
      preloads.push_back({script.path, script.application_group, script.callable, rolling});
    }
  }
  return preloads;
}

}  // namespace wsgix::host

// SPDX-License-Identifier: Apache-2.0
#include "script_watch.hpp"

#include <algorithm>

namespace wsgix::host {
namespace {

using scoreboard::KnownScript;
using scoreboard::ScriptReloading;

/// Requests usually reach every worker by then.
constexpr seconds kTimeToMeet{5};
/// More are only remembered as far as the board has room.
constexpr std::size_t kMostWatched = 1024;

bool is_same(const config::Preload& one, const config::Preload& other) {
  return one.script == other.script && one.application_group == other.application_group &&
         one.callable == other.callable;
}

config::Preload as_preload(const KnownScript& script) {
  return {script.path, script.application_group, script.callable,
          script.reloading == ScriptReloading::Rolling};
}

}  // namespace

ScriptWatch::ScriptWatch(scoreboard::Board& board) : board_(board) {
  for (const KnownScript& script : scoreboard::known_scripts(board)) {
    watched_.push_back(script);
    files_.add(script.path, std::nullopt);
  }
}

void ScriptWatch::remember(const daemon::ScriptUse& script) {
  const auto reloading = script.rolling     ? ScriptReloading::Rolling
                         : script.reloading ? ScriptReloading::On
                                            : ScriptReloading::Off;
  const KnownScript known{script.path, script.application_group, script.callable, reloading};
  scoreboard::remember_script(board_, known, scoreboard::now_us());
  if (!watch(known)) return;
  learned_.try_emplace(script.path, Clock::now());
  const bool has_time = script.modified_us != 0;
  files_.add(script.path, has_time ? std::optional(script.modified_us) : std::nullopt);
}

bool ScriptWatch::watch(const KnownScript& script) {
  const auto same =
      std::find_if(watched_.begin(), watched_.end(), [&](const KnownScript& candidate) {
        return is_same(as_preload(candidate), as_preload(script));
      });
  if (same != watched_.end()) {
    same->reloading = script.reloading;
    return true;
  }
  if (watched_.size() >= kMostWatched) return false;
  watched_.push_back(script);
  return true;
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

std::vector<config::Preload> ScriptWatch::wanted_everywhere() const {
  std::vector<config::Preload> wanted;
  for (const KnownScript& script : known()) {
    const config::Preload preload = as_preload(script);
    if (preload.rolling && was_learned_long_ago(script.path)) wanted.push_back(preload);
  }
  return wanted;
}

bool ScriptWatch::was_learned_long_ago(const std::string& path) const {
  const auto learned = learned_.find(path);
  return learned != learned_.end() && Clock::now() - learned->second > kTimeToMeet;
}

bool ScriptWatch::is_reloaded(const std::string& path) const {
  return std::any_of(watched_.begin(), watched_.end(), [&](const KnownScript& script) {
    return script.path == path && script.reloading != ScriptReloading::Off;
  });
}

config::Preload as_preload(const daemon::ScriptUse& script) {
  return {script.path, script.application_group, script.callable, script.rolling};
}

bool is_among(const std::vector<config::Preload>& preloads, const config::Preload& script) {
  return std::any_of(preloads.begin(), preloads.end(),
                     [&](const config::Preload& preload) { return is_same(preload, script); });
}

std::vector<config::Preload> with_known_scripts(std::vector<config::Preload> preloads,
                                                const std::vector<KnownScript>& known) {
  for (const KnownScript& script : known) {
    const config::Preload learned = as_preload(script);
    const auto same = std::find_if(preloads.begin(), preloads.end(),
                                   [&](const auto& preload) { return is_same(preload, learned); });
    if (same == preloads.end()) {
      preloads.push_back(learned);
    } else {
      same->rolling = same->rolling || learned.rolling;
    }
  }
  return preloads;
}

}  // namespace wsgix::host

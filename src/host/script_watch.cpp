// SPDX-License-Identifier: Apache-2.0
#include "script_watch.hpp"

#include <algorithm>

namespace wsgix::host {
namespace {

using wsgi::OwnedScriptRef;
using wsgi::ScriptReloading;

/// Requests usually reach every worker by then.
constexpr seconds kTimeToMeet{5};
/// More are only remembered as far as the board has room.
constexpr std::size_t kMostWatched = 1024;

}  // namespace

ScriptWatch::ScriptWatch(scoreboard::Board& board) : board_(board) {
  for (const OwnedScriptRef& script : scoreboard::known_scripts(board)) {
    watched_.push_back(script);
    files_.add(script.path, std::nullopt);
  }
}

void ScriptWatch::remember(const OwnedScriptRef& script) {
  scoreboard::remember_script(board_, script, scoreboard::now_us());
  if (!watch(script)) return;
  learned_.try_emplace(script.path, Clock::now());
  const bool has_time = script.modified_us != 0;
  files_.add(script.path, has_time ? std::optional(script.modified_us) : std::nullopt);
}

bool ScriptWatch::watch(const OwnedScriptRef& script) {
  const auto same = std::find_if(
      watched_.begin(), watched_.end(),
      [&](const OwnedScriptRef& candidate) { return wsgi::is_same_script(candidate, script); });
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

std::vector<OwnedScriptRef> ScriptWatch::known() const {
  std::vector<OwnedScriptRef> known = scoreboard::known_scripts(board_);
  std::erase_if(known, [](const OwnedScriptRef& script) {
    return !os::modification_time_us(script.path).has_value();
  });
  return known;
}

std::vector<OwnedScriptRef> ScriptWatch::wanted_everywhere() const {
  std::vector<OwnedScriptRef> wanted;
  for (const OwnedScriptRef& script : known()) {
    const bool is_rolling = script.reloading == ScriptReloading::Rolling;
    if (is_rolling && was_learned_long_ago(script.path)) wanted.push_back(script);
  }
  return wanted;
}

bool ScriptWatch::was_learned_long_ago(const std::string& path) const {
  const auto learned = learned_.find(path);
  return learned != learned_.end() && Clock::now() - learned->second > kTimeToMeet;
}

bool ScriptWatch::is_reloaded(const std::string& path) const {
  return std::any_of(watched_.begin(), watched_.end(), [&](const OwnedScriptRef& script) {
    return script.path == path && script.reloading != ScriptReloading::Off;
  });
}

bool is_among(const std::vector<OwnedScriptRef>& scripts, const wsgi::ScriptRef& script) {
  return std::any_of(scripts.begin(), scripts.end(),
                     [&](const OwnedScriptRef& one) { return wsgi::is_same_script(one, script); });
}

std::vector<OwnedScriptRef> with_known_scripts(std::vector<OwnedScriptRef> preloads,
                                               const std::vector<OwnedScriptRef>& known) {
  for (const OwnedScriptRef& script : known) {
    const auto same = std::find_if(
        preloads.begin(), preloads.end(),
        [&](const OwnedScriptRef& preload) { return wsgi::is_same_script(preload, script); });
    if (same == preloads.end()) {
      preloads.push_back(script);
    } else if (script.reloading == ScriptReloading::Rolling) {
      same->reloading = script.reloading;
    }
  }
  return preloads;
}

}  // namespace wsgix::host

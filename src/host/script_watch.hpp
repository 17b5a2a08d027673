// SPDX-License-Identifier: Apache-2.0
// host/script_watch.hpp: the scripts that the group has served: when they change, and how a new
// worker gets to load them before it serves.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "wsgix/base/clock.hpp"
#include "wsgix/os/file_watch.hpp"
#include "wsgix/scoreboard/scripts.hpp"

namespace wsgix::host {

class ScriptWatch {
 public:
  /// Begins with what an earlier host of the group has learned.
  explicit ScriptWatch(scoreboard::Board& board);

  int fd() const noexcept { return files_.fd(); }
  /// To be asked when fd() is readable: whether changed() may find something.
  bool has_news() noexcept { return files_.has_news(); }
  void close() noexcept { files_.close(); }
  void remember(const wsgi::OwnedScriptRef& script);
  /// The paths of scripts that are to be loaded again.
  std::vector<std::string> changed();
  /// The Rolling scripts that some have served for a while, so that every worker should have them:
  /// once its file is broken one that has not could not load it any more.
  std::vector<wsgi::OwnedScriptRef> wanted_everywhere() const;
  /// Those that were used lately and are there.
  std::vector<wsgi::OwnedScriptRef> known() const;

 private:
  /// False: too many are watched.
  bool watch(const wsgi::OwnedScriptRef& script);
  bool was_learned_long_ago(const std::string& path) const;
  bool is_reloaded(const std::string& path) const;

  scoreboard::Board& board_;
  os::FileWatch files_;
  /// More than the board has room for, and also what it has forgotten: a worker may still serve it.
  std::vector<wsgi::OwnedScriptRef> watched_;
  std::map<std::string, Clock::time_point> learned_;  ///< by this host
};

bool is_among(const std::vector<wsgi::OwnedScriptRef>& scripts, const wsgi::ScriptRef& script);

/// What a new worker loads: the configured scripts, then the learned ones.
std::vector<wsgi::OwnedScriptRef> with_known_scripts(
    std::vector<wsgi::OwnedScriptRef> preloads, const std::vector<wsgi::OwnedScriptRef>& known);

}  // namespace wsgix::host

// SPDX-License-Identifier: Apache-2.0
// daemon/python.hpp: the one Python of a worker, from its settings to the runtime's table.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "session.hpp"
#include "wsgix/config/daemon_settings.hpp"
#include "wsgix/runtime/library.hpp"

namespace wsgix::daemon {

class Python {
 public:
  /// Starts it on the calling thread, which must be the one that calls stop(). Failing is no end:
  /// the application then answers every request with the cause.
  /// `stacks`: where Python writes its stacks at os::kStacksSignal.
  Python(const config::HostSettings& settings, int stacks, scoreboard::Board& board, LogSink& log);
  Python(const Python&) = delete;
  Python& operator=(const Python&) = delete;

  const Application& application() const noexcept { return application_; }
  /// Loads them, and has each answer the request of warmup=. A script that cannot be loaded is
  /// logged by the runtime and answered with the cause.
  /// False: one that is reloaded as Rolling failed in either, or there is no Python.
  bool load(const std::vector<wsgi::OwnedScriptRef>& preloads);
  /// Executes the scripts one after another, each to its end, until there is none left or
  /// `shall_end` says so. False when one failed; the cause is logged.
  bool run_services(const std::vector<wsgi::OwnedScriptRef>& scripts,
                    const std::function<bool()>& shall_end);
  /// Runs atexit handlers. No thread may be inside the runtime.
  void stop() noexcept;

 private:
  Result<void> start();
  void describe_process();
  /// Does it belong to whom the group demands? Logged when not.
  bool is_allowed(const std::string& script) const;

  const config::HostSettings& settings_;
  const int stacks_;
  scoreboard::Board& board_;
  LogSink& log_;
  Application application_;
  runtime::PythonChoice choice_;
  std::vector<wsgix_text> python_path_;
  std::vector<wsgix_text> environment_;
  wsgix_start start_{};  ///< the runtime keeps pointing here
};

}  // namespace wsgix::daemon

// SPDX-License-Identifier: Apache-2.0
// daemon/python.hpp: the one Python of a worker, from its settings to the runtime's table.
#pragma once

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
  Python(const config::HostSettings& settings, LogSink& log);
  Python(const Python&) = delete;
  Python& operator=(const Python&) = delete;

  const Application& application() const noexcept { return application_; }
  /// A script that cannot be loaded is logged by the runtime and answered with the cause.
  /// False: one that is reloaded as Rolling failed.
  bool load(const std::vector<config::Preload>& preloads);
  /// Runs atexit handlers. No thread may be inside the runtime.
  void stop() noexcept;

 private:
  Result<void> start();
  void describe_process();

  const config::HostSettings& settings_;
  LogSink& log_;
  Application application_;
  runtime::PythonChoice choice_;
  std::vector<wsgix_text> python_path_;
  wsgix_start start_{};  ///< the runtime keeps pointing here
};

}  // namespace wsgix::daemon

// SPDX-License-Identifier: Apache-2.0
// host/worker_watchdog.hpp: looks at the board and at the kernel's numbers of each worker, now and
// then, and puts what it found into words.
#pragma once

#include <vector>

#include "running.hpp"
#include "wsgix/base/log_sink.hpp"
#include "wsgix/config/daemon_settings.hpp"
#include "wsgix/scoreboard/threads.hpp"
#include "wsgix/supervisor/watch.hpp"

namespace wsgix::host {

/// A worker that may not go on as it is.
struct Finding {
  supervisor::WorkerId worker;
  EndReason reason;
  std::string request{};      ///< "GET /path", where one is the reason
  milliseconds span{};        ///< for how long, where that is the reason
  std::int64_t resident = 0;  ///< bytes, where they are the reason
};

/// A worker that is only replaced in good order is information; anything else is an error.
void log_finding(LogSink& log, const config::DaemonSettings& daemon, pid_t pid,
                 const Finding& finding);

class WorkerWatchdog {
 public:
  WorkerWatchdog(const config::DaemonSettings& daemon, scoreboard::Board& board);

  /// When look() is due.
  Deadline next_look() const noexcept { return next_look_; }
  /// Also writes the resident memory of each worker to the board.
  std::vector<Finding> look(const Workers& workers);
  void forget(supervisor::WorkerId worker) { watch_.forget(worker); }

 private:
  supervisor::WorkerSample sample(supervisor::WorkerId id, const Running& worker,
                                  const std::vector<scoreboard::RunningRequest>& requests);

  scoreboard::Board& board_;
  supervisor::Watch watch_;
  bool limits_requests_;
  Deadline next_look_;
  Deadline next_measurement_;
  bool measures_ = false;
};

}  // namespace wsgix::host

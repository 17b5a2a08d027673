// SPDX-License-Identifier: Apache-2.0
// daemon/worker.hpp: the whole life of one worker process.
#pragma once

#include <sys/types.h>

#include <cstdint>

#include "wsgix/base/log_sink.hpp"
#include "wsgix/config/daemon_settings.hpp"
#include "wsgix/scoreboard/scoreboard.hpp"

namespace wsgix::daemon {

/// Borrowed from the process that became the worker.
struct WorkerPlace {
  const config::HostSettings& settings;
  int listener;
  int lifeline;  ///< its end means: httpd is gone, end at once
  int control;   ///< to the supervisor; its end means: finish what runs
  pid_t supervisor;
  std::uint32_t slot_number;
  scoreboard::Board& board;
  LogSink& log;
};

/// Starts Python, serves until it is told to end, and returns the exit code for _exit(2).
int run_worker(const WorkerPlace& place);

}  // namespace wsgix::daemon

// SPDX-License-Identifier: Apache-2.0
// daemon/worker.hpp: the whole life of one worker process, of either kind.
#pragma once

#include <sys/types.h>

#include <cstdint>

#include "wsgix/base/log_sink.hpp"
#include "wsgix/config/daemon_settings.hpp"
#include "wsgix/scoreboard/scoreboard.hpp"

namespace wsgix::daemon {

/// Borrowed from the process that became the worker.
struct WorkerContext {
  const config::HostSettings& settings;
  int listener;
  int lifeline;  ///< its end means: httpd is gone, end at once
  int control;   ///< to the supervisor; its end means: finish what runs
  int stacks;    ///< Python writes its stacks there at os::kStacksSignal
  pid_t supervisor;
  std::uint32_t slot_number;
  scoreboard::Board& board;
  LogSink& log;  ///< through descriptor 2, which is a pipe to the supervisor
};

/// Starts Python, serves until it is told to end, and returns the exit code for _exit(2).
int run_worker(const WorkerContext& context);
/// Of a group with threads=0: runs its scripts one after another in Python's main thread, serves
/// nobody, and returns the exit code for _exit(2): 0 when every script came to its end.
int run_service(const WorkerContext& context);

}  // namespace wsgix::daemon

// SPDX-License-Identifier: Apache-2.0
// host/exit_report.hpp: why a worker ended, for the board and for the log.
#pragma once

#include <optional>
#include <string>

#include "running.hpp"
#include "wsgix/base/log_sink.hpp"
#include "wsgix/config/daemon_settings.hpp"
#include "wsgix/scoreboard/scoreboard.hpp"

namespace wsgix::host {

class ExitReport {
 public:
  ExitReport(const config::DaemonSettings& daemon, scoreboard::Board& board, LogSink& log);

  /// To be called once for each worker, before anything of it on the board is taken back.
  void write(const Running& dead, const supervisor::WorkerView& view, int wait_status,
             int failures_in_a_row);

 private:
  EndReason cause_of(const Running& dead, const supervisor::WorkerView& view, int wait_status);
  std::string what_it_did(const Running& dead) const;

  const config::DaemonSettings& daemon_;
  scoreboard::Board& board_;
  LogSink& log_;
  std::optional<std::int64_t> out_of_memory_kills_;
};

}  // namespace wsgix::host

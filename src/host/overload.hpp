// SPDX-License-Identifier: Apache-2.0
// host/overload.hpp: when a group has more to do than threads, and what holds them.
#pragma once

#include "running.hpp"
#include "wsgix/base/log_sink.hpp"
#include "wsgix/config/daemon_settings.hpp"
#include "wsgix/scoreboard/scoreboard.hpp"

namespace wsgix::host {

class Overload {
 public:
  Overload(const config::DaemonSettings& daemon, scoreboard::Board& board, LogSink& log)
      : daemon_(daemon), board_(board), log_(log) {}

  /// Logs it now and then. True: the stacks of the running requests are worth a look, too.
  bool look(const Workers& workers);

 private:
  const config::DaemonSettings& daemon_;
  scoreboard::Board& board_;
  LogSink& log_;
  Clock::time_point next_line_;
  Clock::time_point next_stacks_;
};

}  // namespace wsgix::host

// SPDX-License-Identifier: Apache-2.0
// host/supervision.hpp: the supervisor process of one group: it acts, supervisor::Group decides.
//
// Single-threaded and without Python, so that forking a worker is safe at any time.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <map>
#include <optional>

#include "commands.hpp"
#include "slots.hpp"
#include "wsgix/base/log_sink.hpp"
#include "wsgix/config/daemon_settings.hpp"
#include "wsgix/daemon/control.hpp"
#include "wsgix/os/child.hpp"
#include "wsgix/os/signals.hpp"
#include "wsgix/supervisor/group.hpp"

namespace wsgix::host {

class Supervision : private Operations {
 public:
  Supervision(const config::HostSettings& settings, scoreboard::Board& board, LogSink& log);

  /// Until the group was asked to end and has, or httpd is gone.
  Result<void> run();

 private:
  struct Running {
    os::Child process;
    UniqueFd control;
    std::uint32_t slot = 0;
    pid_t pid = 0;  ///< still known after the process was reaped
  };
  using Workers = std::map<supervisor::WorkerId, Running>;

  // what happens
  void wait();
  bool httpd_is_gone() const noexcept;
  void hear_signals();
  void hear_retire_pipe();
  void hear_worker(supervisor::WorkerId id, Running& worker);
  void obey(supervisor::WorkerId id, const daemon::WorkerReport& report);
  bool has_served(supervisor::WorkerId id) const;
  void remember(const daemon::ScriptUse& script);
  void reap_workers();
  void bury(Workers::iterator worker, int wait_status);
  void log_end(const Running& worker, const supervisor::WorkerView& view, int wait_status);

  // what an operator asks for
  void reload() override { group_.reload(supervisor::Reason::Operator, Clock::now()); }
  void drain() override { group_.pause(Clock::now()); }
  void resume() override { group_.resume(Clock::now()); }
  void write_stacks() override;
  bool is_paused() const override { return group_.is_paused(); }

  // what to do
  void act();
  void start(supervisor::WorkerId id);
  [[noreturn]] void become_worker(Running& place, pid_t supervisor);
  void kill(supervisor::WorkerId id);
  void report_ready();
  void show_on_board();

  const config::HostSettings& settings_;
  scoreboard::Board& board_;
  LogSink& log_;
  Slots slots_;
  supervisor::Group group_;
  Commands commands_;
  std::optional<os::SignalPipe> signals_;
  Workers workers_;
  pid_t httpd_;
  bool retire_pipe_open_;
  bool finished_ = false;
};

}  // namespace wsgix::host

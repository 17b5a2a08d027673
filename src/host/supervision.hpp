// SPDX-License-Identifier: Apache-2.0
// host/supervision.hpp: the supervisor process of one group: it acts, supervisor::Group decides.
//
// Single-threaded and without Python, so that forking a worker is safe at any time.
#pragma once

#include <sys/types.h>

#include <optional>

#include "commands.hpp"
#include "exit_report.hpp"
#include "handover.hpp"
#include "output.hpp"
#include "overload.hpp"
#include "running.hpp"
#include "script_watch.hpp"
#include "slots.hpp"
#include "stacks.hpp"
#include "worker_watchdog.hpp"
#include "wsgix/base/log_sink.hpp"
#include "wsgix/config/daemon_settings.hpp"
#include "wsgix/daemon/control.hpp"
#include "wsgix/os/signals.hpp"

namespace wsgix::host {

class Supervision : private Operations {
 public:
  Supervision(const config::HostSettings& settings, scoreboard::Board& board, Handover& handover,
              LogSink& log);

  /// Until the group was asked to end and has, or httpd is gone.
  Result<void> run();

 private:
  // what happens
  void wait();
  Deadline next_wake() const;
  bool is_service() const noexcept { return settings_.daemon.threads == 0; }
  bool httpd_is_gone() const noexcept;
  void on_signals();
  void on_handover();
  void be_overtaken();
  void notice_end_of_requests();
  void stay_drained();
  void notice_end_of_predecessor();
  void replace_workers(EndReason reason);
  void on_worker(supervisor::WorkerId id, Running& worker, int most_reports);
  void on_stacks(Running& worker);
  void apply(supervisor::WorkerId id, const daemon::WorkerReport& report);
  bool has_served(const Running& worker) const;
  void cannot_load(supervisor::WorkerId id);
  void reap_workers();
  void reap_adopted();
  void report_exit(Workers::iterator worker, int wait_status);
  void look_around();
  void reclaim_slots();
  void look_at_scripts();
  void complete_workers();
  void on_finding(const Finding& finding);

  // what an operator asks for
  void reload() override { replace_workers(EndReason::Operator); }
  void drain() override;
  void resume() override;
  void write_stacks() override;
  bool is_paused() const override { return group_.is_paused(); }

  // what to do
  void apply_actions();
  void start(supervisor::WorkerId id);
  Result<Running> fork_worker(std::uint32_t slot, supervisor::WorkerId id);
  /// A new worker's ends of what it shares with the supervisor.
  struct Ends {
    UniqueFd control;
    UniqueFd stacks;
    UniqueFd output;
  };
  [[noreturn]] void become_worker(std::uint32_t slot, Ends ends, pid_t supervisor,
                                  std::vector<wsgi::OwnedScriptRef> preloads);
  void forget_what_is_not_the_workers();
  std::vector<wsgi::OwnedScriptRef> preloads_for(supervisor::WorkerId id) const;
  void tell(supervisor::WorkerId id, daemon::Word word);
  void kill(supervisor::WorkerId id);
  void explain_kill(const Running& worker, const supervisor::WorkerView& view);
  void kill_who_had_their_time();
  void report_ready();
  void show_on_board();
  void end_what_is_left();

  const config::HostSettings& settings_;
  scoreboard::Board& board_;
  Handover& handover_;
  LogSink& log_;
  Slots slots_;
  supervisor::Group group_;
  ScriptWatch scripts_;
  WorkerWatchdog watchdog_;
  Stacks stacks_;
  ExitReport exit_report_;
  Overload overload_;
  Outputs outputs_;
  Commands commands_;
  std::optional<os::SignalPipe> signals_;
  Workers workers_;
  Deadline next_reclaim_{};
  pid_t httpd_;
  bool is_reachable_ = true;  ///< by some process of httpd
  bool finished_ = false;
};

}  // namespace wsgix::host

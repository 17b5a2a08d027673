// SPDX-License-Identifier: Apache-2.0
// host/supervision.hpp: the supervisor process of one group: it acts, supervisor::Group decides.
//
// Single-threaded and without Python, so that forking a worker is safe at any time.
#pragma once

#include <sys/types.h>

#include <optional>

#include "commands.hpp"
#include "obituary.hpp"
#include "overload.hpp"
#include "running.hpp"
#include "script_watch.hpp"
#include "slots.hpp"
#include "stacks.hpp"
#include "watchman.hpp"
#include "wsgix/base/log_sink.hpp"
#include "wsgix/config/daemon_settings.hpp"
#include "wsgix/daemon/control.hpp"
#include "wsgix/os/signals.hpp"

namespace wsgix::host {

class Supervision : private Operations {
 public:
  Supervision(const config::HostSettings& settings, scoreboard::Board& board, LogSink& log);

  /// Until the group was asked to end and has, or httpd is gone.
  Result<void> run();

 private:
  // what happens
  void wait();
  Deadline next_wake() const;
  bool is_service() const noexcept { return settings_.daemon.threads == 0; }
  bool httpd_is_gone() const noexcept;
  void hear_signals();
  void hear_retire_pipe();
  void tell_predecessor_to_retire();
  void stay_drained();
  void notice_end_of_predecessor();
  void replace_workers(supervisor::Reason reason);
  void hear_worker(supervisor::WorkerId id, Running& worker, int most_reports);
  void hear_stacks(Running& worker);
  void obey(supervisor::WorkerId id, const daemon::WorkerReport& report);
  bool has_served(const Running& worker) const;
  void cannot_load(supervisor::WorkerId id);
  void reap_workers();
  void bury(Workers::iterator worker, int wait_status);
  void look_around();
  void reclaim_places();
  void look_at_scripts();
  void complete_workers();
  void act_on(const Finding& finding);

  // what an operator asks for
  void reload() override { replace_workers(supervisor::Reason::Operator); }
  void drain() override { group_.pause(Clock::now()); }
  void resume() override { group_.resume(Clock::now()); }
  void write_stacks() override;
  bool is_paused() const override { return group_.is_paused(); }

  // what to do
  void act();
  void start(supervisor::WorkerId id);
  Result<Running> fork_worker(std::uint32_t slot, supervisor::WorkerId id);
  [[noreturn]] void become_worker(Running& place, int stacks, pid_t supervisor,
                                  std::vector<config::Preload> preloads);
  std::vector<config::Preload> preloads_for(supervisor::WorkerId id) const;
  void tell(supervisor::WorkerId id, daemon::Word word);
  void kill(supervisor::WorkerId id);
  void explain_kill(const Running& worker, const supervisor::WorkerView& view);
  void kill_who_had_their_time();
  void report_ready();
  void show_on_board();

  const config::HostSettings& settings_;
  scoreboard::Board& board_;
  LogSink& log_;
  Slots slots_;
  supervisor::Group group_;
  ScriptWatch scripts_;
  Watchman watchman_;
  Stacks stacks_;
  Obituary obituary_;
  Overload overload_;
  Commands commands_;
  std::optional<os::SignalPipe> signals_;
  Workers workers_;
  Deadline next_reclaim_{};
  pid_t httpd_;
  bool retire_pipe_open_;
  bool predecessor_serves_;
  bool finished_ = false;
};

}  // namespace wsgix::host

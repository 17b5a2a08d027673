// SPDX-License-Identifier: Apache-2.0
#include "supervision.hpp"

#include <fmt/format.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <vector>

#include "from_httpd.hpp"
#include "wsgix/os/descriptors.hpp"
#include "wsgix/os/poll_set.hpp"
#include "wsgix/scoreboard/threads.hpp"

namespace wsgix::host {
namespace {

using supervisor::State;
using supervisor::WorkerId;

constexpr milliseconds kBetweenStackLines{50};
constexpr seconds kBetweenReclaims{1};
constexpr int kReportsPerRound = 64;
/// More than a socket holds of them; who still writes is a child that the worker left behind.
constexpr int kLastReports = 1024;

EndReason reason_for(daemon::Cause cause) {
  switch (cause) {
    case daemon::Cause::ScriptReload: return EndReason::ScriptReload;
    case daemon::Cause::MaximumRequests: return EndReason::MaximumRequests;
    case daemon::Cause::Signal: return EndReason::Shutdown;
    case daemon::Cause::Asked: return EndReason::Operator;
    case daemon::Cause::CpuTimeLimit: return EndReason::CpuTimeLimit;
    case daemon::Cause::None: break;
  }
  return EndReason::Replaced;
}

supervisor::GroupLimits limits_of(const config::DaemonSettings& daemon) {
  const bool grows_old = daemon.threads > 0;  // a service decides for itself when it ends
  return {.processes = daemon.processes,
          .startup = daemon.startup_timeout,
          .graceful = daemon.graceful_timeout,
          .eviction = daemon.eviction_timeout,
          .shutdown = daemon.shutdown_timeout,
          .restart_interval = grows_old ? daemon.restart_interval : milliseconds::zero(),
          .is_service = !grows_old};
}

}  // namespace

Supervision::Supervision(const config::HostSettings& settings, scoreboard::Board& board,
                         Handover& handover, LogSink& log)
    : settings_(settings),
      board_(board),
      handover_(handover),
      log_(log),
      slots_(board),
      group_(limits_of(settings.daemon), {.first_start = Clock::now(),
                                          .predecessor_serves = handover.has_predecessor(),
                                          .generation = board.generation.load() + 1}),
      scripts_(board),
      watchdog_(settings.daemon, board),
      stacks_(settings.daemon.name, log),
      exit_report_(settings.daemon, board, log),
      overload_(settings.daemon, board, log),
      outputs_(settings.daemon.name, kErrorLog, static_cast<LogLevel>(settings.log_level)),
      commands_(settings, board, *this, group_.succession(), log),
      httpd_(::getppid()) {}

Result<void> Supervision::run() {
  auto signals = os::SignalPipe::open({SIGCHLD, SIGTERM, SIGINT, SIGUSR1, SIGUSR2, SIGHUP});
  if (!signals) return failed(signals);
  signals_.emplace(std::move(*signals));
  if (auto adopts = os::become_subreaper(); !adopts) return adopts;
  board_.host_pid.store(static_cast<std::uint32_t>(::getpid()));
  board_.threads_per_worker.store(static_cast<std::uint32_t>(settings_.daemon.threads));
  reclaim_slots();
  stay_drained();

  while (!finished_) {
    group_.time_passed(Clock::now());
    // Before commands: whoever has just taken over first takes what the operator had asked of its
    // predecessor.
    apply_actions();
    commands_.serve(Clock::now());
    outputs_.serve(Clock::now());
    apply_actions();
    if (finished_) break;
    wait();
    // No orphan, ever: the destructor of each worker's process kills and reaps it.
    if (httpd_is_gone()) break;
    if (Clock::now() >= watchdog_.next_look()) look_around();
    kill_who_had_their_time();
  }
  workers_.clear();
  end_what_is_left();
  outputs_.finish();
  return {};
}

// ---- what happens ----

void Supervision::wait() {
  os::PollSet set;
  // Scripts before reports: a worker that leaves for a changed script is then part of one reload.
  set.add(is_service() ? -1 : scripts_.fd(), POLLIN, [this] {
    if (scripts_.has_news()) look_at_scripts();
  });
  // Reports before ends: the last report of a worker says why it ended.
  for (const auto& entry : workers_) {
    const WorkerId id = entry.first;
    set.add(entry.second.control.get(), POLLIN,
            [this, id] { on_worker(id, workers_.at(id), kReportsPerRound); });
    set.add(entry.second.stacks.get(), POLLIN, [this, id] { on_stacks(workers_.at(id)); });
  }
  set.add(signals_->fd(), POLLIN, [this] { on_signals(); });
  handover_.watch(set, [this] { on_handover(); });
  if (group_.succession().predecessor_serves()) {
    handover_.watch_predecessor(set, [this] { notice_end_of_predecessor(); });
  }
  set.add(is_reachable_ ? kPresence : -1, 0, [this] { notice_end_of_requests(); });
  set.add(kLifeline, 0);
  commands_.watch(set);
  outputs_.watch(set);
  set.wait(next_wake());
}

Deadline Supervision::next_wake() const {
  Deadline wake = std::min({group_.next_deadline(), watchdog_.next_look(),
                            commands_.next_deadline(), outputs_.next_deadline()});
  for (const auto& [id, worker] : workers_) wake = std::min(wake, worker.kill_at);
  return wake;
}

bool Supervision::httpd_is_gone() const noexcept {
  return os::has_ended(kLifeline) || ::getppid() != httpd_;
}

void Supervision::on_signals() {
  const auto now = Clock::now();
  for (const int signal : signals_->take()) {
    if (signal == SIGCHLD) reap_workers();
    if (signal == SIGTERM || signal == SIGINT) {
      // The socket is the predecessor's still.
      if (group_.succession().predecessor_serves()) commands_.stop_listening();
      group_.terminate(now);
    }
    if (signal == SIGUSR1) replace_workers(EndReason::Replaced);
  }
}

void Supervision::replace_workers(EndReason reason) {
  if (!is_service()) return group_.reload(reason, Clock::now());
  // A service ends before the next one begins: two would do its work twice.
  for (const auto& entry : workers_) entry.second.process.signal(SIGTERM);
}

void Supervision::on_handover() {
  switch (handover_.take_news()) {
    case Handover::News::None: break;
    case Handover::News::Overtaken: be_overtaken(); break;
    case Handover::News::Retire:
      commands_.stop_listening();
      // Who retires this host before it was ever ready knows of no other that serves.
      handover_.retire_predecessor();
      group_.retire(Clock::now());
      break;
    case Handover::News::Closed: commands_.stop_listening(); break;
  }
}

/// httpd says it: the application, which can write the board, could not. Whoever comes after it
/// does not count on a host that was never ready.
void Supervision::be_overtaken() {
  group_.overtaken(Clock::now());
  if (group_.is_ending()) commands_.stop_listening();
}

/// Neither httpd's parent nor a child that it has left knows this listener: the group is gone from
/// the configuration, has another account now, or httpd has unloaded the module.
void Supervision::notice_end_of_requests() {
  is_reachable_ = false;
  if (httpd_is_gone() || group_.is_ending()) return;
  log_.write(LogLevel::Info,
             Error{ErrorCode::RequestsCeased,
                   fmt::format("group '{}': no process of httpd sends it requests any more, its "
                               "host (pid {}) ends",
                               settings_.daemon.name, ::getpid())});
  commands_.stop_listening();
  group_.retire(Clock::now());
}

/// What the operator has drained stays so in a new generation of the configuration.
void Supervision::stay_drained() {
  if (board_.group_state.load() == scoreboard::GroupState::Paused) group_.pause(Clock::now());
}

void Supervision::notice_end_of_predecessor() {
  stay_drained();
  group_.predecessor_ended(Clock::now());
}

/// A worker that never stops talking must not keep the supervisor from the others.
void Supervision::on_worker(WorkerId id, Running& worker, int most_reports) {
  for (int heard = 0; worker.control && heard < most_reports; ++heard) {
    const auto report = daemon::receive_report(worker.control.get());
    if (!report) {
      if (report.error().code != ErrorCode::PeerClosed) {
        log_.write(LogLevel::Error, report.error());
      }
      // A worker that closed its end, or talks nonsense, cannot be asked for anything any more.
      worker.control.reset();
      worker.process.signal(SIGTERM);
    } else if (*report) {
      apply(id, **report);
    } else {
      return;
    }
  }
}

void Supervision::on_stacks(Running& worker) {
  stacks_.read_lines(worker);
  // It writes all of them at one go: soon there is nothing more to wait for.
  if (worker.kill_at != kNever) {
    worker.kill_at = std::min<Deadline>(worker.kill_at, Clock::now() + kBetweenStackLines);
  }
}

void Supervision::apply(WorkerId id, const daemon::WorkerReport& report) {
  const auto now = Clock::now();
  switch (report.report) {
    case daemon::Report::Ready: group_.worker_said_ready(id, now); break;
    case daemon::Report::Leaving:
      group_.worker_is_leaving(id, reason_for(report.cause), has_served(workers_.at(id)), now);
      break;
    case daemon::Report::WantsSuccessor:
      group_.worker_wants_successor(id, reason_for(report.cause), now);
      break;
    case daemon::Report::CannotLoad: cannot_load(id); break;
    case daemon::Report::UsesScript:
      scripts_.remember(report.script);
      if (auto& loaded = workers_.at(id).scripts; !is_among(loaded, report.script)) {
        loaded.push_back(report.script);
      }
      break;
  }
}

/// As its own board says; a worker may lie, and is then only started sooner.
bool Supervision::has_served(const Running& worker) const {
  return board_.workers[worker.slot].requests.load() > 0;
}

void Supervision::cannot_load(WorkerId id) {
  group_.worker_cannot_load(id, Clock::now());
  const auto view = group_.find(id);
  const bool is_turned_away = view && view->reason == EndReason::CannotLoad;
  log_.write(
      LogLevel::Error,
      Error{ErrorCode::NewVersionBroken,
            fmt::format("group '{}': worker {} cannot start Python or load a script of the group{}",
                        settings_.daemon.name, workers_.at(id).pid,
                        is_turned_away ? "; the workers that can go on serving"
                                       : ", and no other worker can: such requests get an error "
                                         "response")});
}

void Supervision::reap_workers() {
  for (auto worker = workers_.begin(); worker != workers_.end();) {
    const auto current = worker++;
    if (const auto status = current->second.process.reap()) report_exit(current, *status);
  }
  reap_adopted();
}

/// What workers left behind, and whose parent has ended, is a child of this process.
void Supervision::reap_adopted() {
  while (const pid_t pid = os::ended_child()) {
    const auto worker = std::find_if(workers_.begin(), workers_.end(), [pid](const auto& entry) {
      return entry.second.process.pid() == pid;
    });
    if (worker == workers_.end()) {
      os::reap_child(pid);
    } else if (const auto status = worker->second.process.reap()) {
      report_exit(worker, *status);
    }
  }
}

void Supervision::report_exit(Workers::iterator worker, int wait_status) {
  const WorkerId id = worker->first;
  on_worker(id, worker->second, kLastReports);
  stacks_.finish(worker->second);
  outputs_.worker_ended(worker->second.pid);
  const Running dead = std::move(worker->second);
  workers_.erase(worker);
  watchdog_.forget(id);
  const auto view = group_.find(id).value_or(supervisor::WorkerView{});
  if (has_served(dead)) group_.worker_served(id);
  group_.worker_ended(id, Clock::now());

  exit_report_.write(dead, view, wait_status, group_.failures_in_a_row());
  scoreboard::free_threads_of(board_, static_cast<std::uint32_t>(dead.pid));
  slots_.free(dead.slot, static_cast<std::uint32_t>(dead.pid));
}

/// Workers whose host was killed drain and end with nobody to reap them.
void Supervision::reclaim_slots() {
  if (Clock::now() < next_reclaim_) return;
  next_reclaim_ = after(kBetweenReclaims);
  slots_.reclaim_from_the_dead();
}

void Supervision::look_around() {
  reclaim_slots();
  for (const Finding& finding : watchdog_.look(workers_)) on_finding(finding);
  if (overload_.look(workers_)) write_stacks();
  // A service may have taken over the board of a group that served scripts.
  if (is_service()) return;
  look_at_scripts();
  complete_workers();
}

/// A script is learned from the first request for it, which one worker gets.
void Supervision::complete_workers() {
  // Once for all workers: it looks at every file.
  const std::vector<wsgi::OwnedScriptRef> wanted = scripts_.wanted_everywhere();
  if (wanted.empty()) return;
  for (auto& [id, worker] : workers_) {
    const auto view = group_.find(id);
    if (!view || view->state != State::Ready || worker.is_incomplete) continue;
    const auto& loaded = worker.scripts;
    const auto missing = std::find_if(wanted.begin(), wanted.end(), [&](const auto& script) {
      return !is_among(loaded, script);
    });
    if (missing == wanted.end()) continue;
    worker.is_incomplete = true;
    log_.write(LogLevel::Info,
               Error{ErrorCode::WorkerIncomplete,
                     fmt::format("group '{}': worker {} has not loaded {} yet and is replaced by "
                                 "one that has",
                                 settings_.daemon.name, worker.pid, missing->path)});
    group_.worker_wants_successor(id, EndReason::ScriptReload, Clock::now());
  }
}

void Supervision::look_at_scripts() {
  const auto changed = scripts_.changed();
  if (changed.empty() || group_.is_ending()) return;
  for (const std::string& path : changed) {
    log_.write(LogLevel::Info,
               Error{ErrorCode::ScriptChanged,
                     fmt::format("group '{}': {} has changed, the workers are replaced",
                                 settings_.daemon.name, path)});
  }
  group_.reload(EndReason::ScriptReload, Clock::now());
}

void Supervision::on_finding(const Finding& finding) {
  const auto now = Clock::now();
  log_finding(log_, settings_.daemon, workers_.at(finding.worker).pid, finding);
  if (has_served(workers_.at(finding.worker))) group_.worker_served(finding.worker);
  switch (finding.reason) {
    case EndReason::DeadlockTimeout:
    case EndReason::StartupTimeout:
    case EndReason::MemoryExceeded: return group_.kill_now(finding.worker, finding.reason, now);
    case EndReason::RequestTimeout: tell(finding.worker, daemon::Word::WriteStacks); break;
    default: break;
  }
  if (is_service()) {
    workers_.at(finding.worker).process.signal(SIGTERM);  // two services would do the work twice
  } else {
    group_.worker_wants_successor(finding.worker, finding.reason, now);
  }
}

void Supervision::write_stacks() {
  for (const auto& [id, worker] : workers_) {
    daemon::send_word(worker.control.get(), daemon::Word::WriteStacks);
  }
}

}  // namespace wsgix::host

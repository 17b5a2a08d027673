// SPDX-License-Identifier: Apache-2.0
#include "supervision.hpp"

#include <fmt/format.h>
#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <vector>

#include "descriptors.hpp"
#include "wsgix/daemon/worker.hpp"
#include "wsgix/os/descriptors.hpp"
#include "wsgix/os/process_title.hpp"
#include "wsgix/scoreboard/scripts.hpp"

namespace wsgix::host {
namespace {

using Kind = supervisor::Action::Kind;
using scoreboard::EndReason;
using scoreboard::WorkerState;
using supervisor::Reason;
using supervisor::State;
using supervisor::WorkerId;

EndReason for_board(Reason reason) {
  switch (reason) {
    case Reason::None: return EndReason::None;
    case Reason::Shutdown: return EndReason::Shutdown;
    case Reason::ScriptReload: return EndReason::ScriptReload;
    case Reason::MaximumRequests: return EndReason::MaximumRequests;
    case Reason::StartupTimeout: return EndReason::StartupTimeout;
    case Reason::Replaced: return EndReason::Replaced;
    case Reason::RestartInterval: return EndReason::RestartInterval;
    case Reason::InactivityTimeout: return EndReason::InactivityTimeout;
    case Reason::MemoryRecycle: return EndReason::MemoryRecycle;
    case Reason::MemoryExceeded: return EndReason::MemoryExceeded;
    case Reason::CpuTimeLimit: return EndReason::CpuTimeLimit;
    case Reason::RequestTimeout: return EndReason::RequestTimeout;
    case Reason::DeadlockTimeout: return EndReason::DeadlockTimeout;
    case Reason::Operator: return EndReason::Operator;
    case Reason::CannotLoad: return EndReason::CannotLoad;
  }
  return EndReason::None;
}

WorkerState for_board(State state) {
  switch (state) {
    case State::Starting: return WorkerState::Starting;
    case State::Ready: return WorkerState::Ready;
    case State::Draining:
    case State::Killed:
    case State::Gone: break;
  }
  return WorkerState::Draining;
}

Reason reason_for(daemon::Cause cause) {
  switch (cause) {
    case daemon::Cause::ScriptReload: return Reason::ScriptReload;
    case daemon::Cause::MaximumRequests: return Reason::MaximumRequests;
    case daemon::Cause::Signal: return Reason::Shutdown;
    case daemon::Cause::Asked: return Reason::Operator;
    case daemon::Cause::CpuTimeLimit: return Reason::CpuTimeLimit;
    case daemon::Cause::None: break;
  }
  return Reason::Replaced;
}

supervisor::GroupLimits limits_of(const config::DaemonSettings& daemon) {
  return {.processes = daemon.processes,
          .startup = daemon.startup_timeout,
          .graceful = daemon.graceful_timeout,
          .eviction = daemon.eviction_timeout,
          .shutdown = daemon.shutdown_timeout,
          .restart_interval = daemon.restart_interval};
}

}  // namespace

Supervision::Supervision(const config::HostSettings& settings, scoreboard::Board& board,
                         LogSink& log)
    : settings_(settings),
      board_(board),
      log_(log),
      slots_(board),
      group_(limits_of(settings.daemon),
             {.first_start = Clock::now(), .predecessor_serves = os::is_open(kHandover)}),
      commands_(settings, board, *this, log),
      httpd_(::getppid()),
      retire_pipe_open_(os::is_open(kRetire)) {}

Result<void> Supervision::run() {
  auto signals = os::SignalPipe::open({SIGCHLD, SIGTERM, SIGINT, SIGUSR1, SIGUSR2, SIGHUP});
  if (!signals) return failed(signals);
  signals_.emplace(std::move(*signals));
  board_.host_pid.store(static_cast<std::uint32_t>(::getpid()));
  slots_.reclaim_from_the_dead();

  while (!finished_) {
    group_.time_passed(Clock::now());
    commands_.serve(Clock::now());
    act();
    if (finished_) break;
    wait();
    // No orphan, ever: the destructor of each worker's process kills and reaps it.
    if (httpd_is_gone()) break;
  }
  return {};
}

// ---- what happens ----

void Supervision::wait() {
  std::vector<pollfd> watched = {{signals_->fd(), POLLIN, 0},
                                 {kLifeline, 0, 0},
                                 {retire_pipe_open_ ? kRetire : -1, POLLIN, 0}};
  std::vector<WorkerId> ids;
  for (const auto& [id, worker] : workers_) {
    watched.push_back({worker.control.get(), POLLIN, 0});
    ids.push_back(id);
  }
  commands_.watch(watched);
  const Deadline wake = std::min(group_.next_deadline(), commands_.next_deadline());
  if (::poll(watched.data(), watched.size(), poll_timeout(wake)) <= 0) return;

  // Words before ends: the last word of a worker says why it ended.
  for (std::size_t i = 0; i < ids.size(); ++i) {
    if (watched[i + 3].revents != 0) hear_worker(ids[i], workers_.at(ids[i]));
  }
  if (watched[0].revents != 0) hear_signals();
  if (watched[2].revents != 0) hear_retire_pipe();
}

bool Supervision::httpd_is_gone() const noexcept {
  return os::has_ended(kLifeline) || ::getppid() != httpd_;
}

void Supervision::hear_signals() {
  const auto now = Clock::now();
  for (const int signal : signals_->take()) {
    if (signal == SIGCHLD) reap_workers();
    if (signal == SIGTERM || signal == SIGINT) group_.terminate(now);
    if (signal == SIGUSR1) group_.replace_all(now);
  }
}

void Supervision::hear_retire_pipe() {
  char byte = 0;
  const ssize_t count = ::read(kRetire, &byte, 1);
  if (count < 0 && (errno == EINTR || errno == EAGAIN)) return;
  retire_pipe_open_ = false;
  commands_.stop_listening();
  if (count > 0) group_.retire(Clock::now());
}

void Supervision::hear_worker(WorkerId id, Running& worker) {
  while (worker.control) {
    const auto report = daemon::receive_report(worker.control.get());
    if (!report) {
      if (report.error().code != ErrorCode::PeerClosed) {
        log_.write(LogLevel::Error, report.error());
      }
      // A worker that closed its end, or talks nonsense, cannot be asked for anything any more.
      worker.control.reset();
      worker.process.signal(SIGTERM);
    } else if (*report) {
      obey(id, **report);
    } else {
      return;
    }
  }
}

void Supervision::obey(WorkerId id, const daemon::WorkerReport& report) {
  const auto now = Clock::now();
  switch (report.report) {
    case daemon::Report::Ready: group_.worker_said_ready(id, now); break;
    case daemon::Report::Leaving:
      group_.worker_is_leaving(id, reason_for(report.cause), has_served(id), now);
      break;
    case daemon::Report::WantsSuccessor:
      group_.worker_wants_successor(id, reason_for(report.cause), now);
      break;
    case daemon::Report::CannotLoad: group_.worker_cannot_load(id, now); break;
    case daemon::Report::UsesScript: remember(report.script); break;
  }
}

bool Supervision::has_served(WorkerId id) const {
  return board_.workers[workers_.at(id).slot].requests.load() > 0;
}

void Supervision::remember(const daemon::ScriptUse& script) {
  using scoreboard::ScriptReloading;
  const auto reloading = script.rolling     ? ScriptReloading::Rolling
                         : script.reloading ? ScriptReloading::On
                                            : ScriptReloading::Off;
  scoreboard::remember_script(board_,
                              {script.path, script.application_group, script.callable, reloading});
}

void Supervision::reap_workers() {
  for (auto worker = workers_.begin(); worker != workers_.end();) {
    const auto current = worker++;
    if (const auto status = current->second.process.reap()) bury(current, *status);
  }
}

void Supervision::bury(Workers::iterator worker, int wait_status) {
  const WorkerId id = worker->first;
  hear_worker(id, worker->second);
  const Running dead = std::move(worker->second);
  workers_.erase(worker);
  const auto view = group_.find(id).value_or(supervisor::WorkerView{});

  // First of all: children that lost a request to it look for the cause here.
  scoreboard::record_death(board_, static_cast<std::uint32_t>(dead.pid), wait_status,
                           for_board(view.reason));
  slots_.free(dead.slot);
  group_.worker_ended(id, Clock::now());
  log_end(dead, view, wait_status);
}

void Supervision::log_end(const Running& worker, const supervisor::WorkerView& view,
                          int wait_status) {
  const std::string end = os::describe_end(wait_status);
  const bool by_us = view.state == State::Killed && WIFSIGNALED(wait_status);
  const bool as_asked = view.reason != Reason::None && (by_us || wait_status == 0);
  if (as_asked) {
    log_.write(LogLevel::Info,
               fmt::format("WX2013: group '{}': worker {} {} ({})", settings_.daemon.name,
                           worker.pid, end, scoreboard::to_string(for_board(view.reason))));
    return;
  }
  std::string what = fmt::format(
      "group '{}': worker {} ({}{}{}) {}", settings_.daemon.name, worker.pid,
      supervisor::to_string(view.state), view.reason == Reason::None ? "" : ", ",
      view.reason == Reason::None ? "" : scoreboard::to_string(for_board(view.reason)), end);
  const int failures = group_.failures_in_a_row();
  if (failures > 1) what += fmt::format(", failure {} in a row", failures);
  log_.write(LogLevel::Error, Error{ErrorCode::WorkerDied, std::move(what)});
}

void Supervision::write_stacks() {
  for (const auto& [id, worker] : workers_) {
    daemon::send_word(worker.control.get(), daemon::Word::WriteStacks);
  }
}

// ---- what to do ----

void Supervision::act() {
  // Carrying out an action may lead to others: a fork that fails is news to the group.
  for (auto actions = group_.take_actions(); !actions.empty(); actions = group_.take_actions()) {
    for (const supervisor::Action& action : actions) {
      switch (action.kind) {
        case Kind::Start: start(action.worker); break;
        case Kind::Retire:
          if (const auto found = workers_.find(action.worker); found != workers_.end()) {
            daemon::send_word(found->second.control.get(), daemon::Word::Retire);
          }
          break;
        case Kind::Serve:
          if (const auto found = workers_.find(action.worker); found != workers_.end()) {
            daemon::send_word(found->second.control.get(), daemon::Word::Serve);
          }
          break;
        case Kind::Kill: kill(action.worker); break;
        case Kind::ReportReady: report_ready(); break;
        case Kind::Finish: finished_ = true; break;
      }
    }
  }
  show_on_board();
}

void Supervision::start(WorkerId id) {
  const auto give_up = [&](const Error& error) {
    log_.write(LogLevel::Error, error);
    group_.start_failed(id, Clock::now());
  };
  const auto slot = slots_.take();
  if (!slot) {
    return give_up({ErrorCode::BrokenInvariant,
                    fmt::format("group '{}': the scoreboard is full", settings_.daemon.name)});
  }
  auto control = os::make_message_pair();
  const pid_t self = ::getpid();
  auto child = control ? os::fork_child() : Result<os::Child>(failed(control));
  if (!child) {
    slots_.free(*slot);
    Error error = child.error();
    error.what =
        fmt::format("group '{}': cannot start a worker: {}", settings_.daemon.name, error.what);
    return give_up(error);
  }
  Running worker{std::move(*child), std::move(control->one), *slot, 0};
  if (worker.process.pid() == 0) {
    worker.control = std::move(control->other);
    become_worker(worker, self);
  }
  worker.pid = worker.process.pid();
  workers_.emplace(id, std::move(worker));
}

void Supervision::become_worker(Running& place, pid_t supervisor) {
  // Nothing may leave this function: unwinding would run the supervisor's own destructors here.
  try {
    // The others' ends: a worker must not keep a sibling's socket open, nor answer for the host.
    for (auto& entry : workers_) entry.second.control.reset();
    signals_.reset();
    commands_.close();
    for (const int fd : {kSettings, kScoreboard, kRetire, kHandover}) ::close(fd);
    os::set_process_title(config::title(settings_.daemon));
    const daemon::WorkerPlace worker{settings_,
                                     kListener,
                                     kLifeline,
                                     place.control.get(),
                                     supervisor,
                                     place.slot,
                                     board_,
                                     log_};
    // _exit: what the host would clean up at its own end is not the worker's.
    ::_exit(daemon::run_worker(worker));
  } catch (const std::exception& bug) {
    log_.write(LogLevel::Critical, Error{ErrorCode::UnexpectedException, bug.what()});
  } catch (...) {
    ::_exit(1);
  }
  ::_exit(1);
}

void Supervision::kill(WorkerId id) {
  const auto found = workers_.find(id);
  const auto view = group_.find(id);
  if (found == workers_.end() || !view) return;
  found->second.process.signal(SIGKILL);
  const std::string who =
      fmt::format("group '{}': worker {}", settings_.daemon.name, found->second.pid);
  if (view->reason == Reason::StartupTimeout) {
    log_.write(LogLevel::Error, Error{ErrorCode::WorkerStuckAtStart,
                                      fmt::format("{} was not ready after {} ms and is killed", who,
                                                  settings_.daemon.startup_timeout.count())});
  } else if (view->was_ready) {
    log_.write(LogLevel::Error,
               Error{ErrorCode::WorkerForced,
                     fmt::format("{} had not ended in time ({}) and is killed, {} requests running",
                                 who, scoreboard::to_string(for_board(view->reason)),
                                 board_.workers[found->second.slot].busy.load())});
  }
}

void Supervision::report_ready() {
  commands_.take_over();
  log_.write(LogLevel::Info,
             fmt::format("WX2013: group '{}': {} of {} workers are ready", settings_.daemon.name,
                         settings_.daemon.processes, settings_.daemon.processes));
  if (!os::is_open(kHandover)) return;
  const char byte = 1;
  [[maybe_unused]] const ssize_t ignored = ::write(kHandover, &byte, 1);
  ::close(kHandover);
}

void Supervision::show_on_board() {
  for (const auto& [id, worker] : workers_) {
    if (const auto view = group_.find(id)) {
      slots_.show(worker.slot, worker.pid, for_board(view->state));
    }
  }
  slots_.count_ready();
  board_.group_state.store(group_.is_paused() ? scoreboard::GroupState::Paused
                                              : scoreboard::GroupState::Serving);
}

}  // namespace wsgix::host

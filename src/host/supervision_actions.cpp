// SPDX-License-Identifier: Apache-2.0
// host/supervision_actions.cpp: the half of Supervision that carries out what the group decided.
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <vector>

#include "from_httpd.hpp"
#include "limits.hpp"
#include "supervision.hpp"
#include "wsgix/daemon/worker.hpp"
#include "wsgix/os/descendants.hpp"
#include "wsgix/os/descriptors.hpp"
#include "wsgix/os/error_log.hpp"
#include "wsgix/os/process_title.hpp"
#include "wsgix/scoreboard/threads.hpp"

namespace wsgix::host {
namespace {

using Kind = supervisor::Action::Kind;
using scoreboard::WorkerState;
using supervisor::State;
using supervisor::WorkerId;

/// A worker that shall be killed may say where it stands first.
constexpr milliseconds kTimeForStacks{500};
/// For processes that are left at the end of the group. httpd's patience counts with it:
/// kStopGrace.
constexpr milliseconds kTimeToEnd{1000};
constexpr milliseconds kTimeToBeKilled{1000};
constexpr std::size_t kMostNamed = 5;

WorkerState on_board(State state) noexcept {
  switch (state) {
    case State::Starting: return WorkerState::Starting;
    case State::Ready: return WorkerState::Ready;
    case State::Draining:
    case State::Killed: break;
  }
  return WorkerState::Draining;
}

/// Those that on_finding() has explained.
bool is_found_by_watchdog(EndReason reason) {
  return reason == EndReason::DeadlockTimeout || reason == EndReason::MemoryExceeded ||
         reason == EndReason::StartupTimeout;
}

}  // namespace

// ---- what to do ----

void Supervision::apply_actions() {
  // Carrying out an action may lead to others: a fork that fails is news to the group.
  for (auto actions = group_.take_actions(); !actions.empty(); actions = group_.take_actions()) {
    for (const supervisor::Action& action : actions) {
      switch (action.kind) {
        case Kind::Start: start(action.worker); break;
        case Kind::Retire: tell(action.worker, daemon::Word::Retire); break;
        case Kind::Serve: tell(action.worker, daemon::Word::Serve); break;
        case Kind::Kill: kill(action.worker); break;
        case Kind::ReportReady: report_ready(); break;
        case Kind::Finish: finished_ = true; break;
      }
    }
  }
  show_on_board();
}

void Supervision::tell(WorkerId id, daemon::Word word) {
  const auto found = workers_.find(id);
  if (found != workers_.end()) daemon::send_word(found->second.control.get(), word);
}

void Supervision::start(WorkerId id) {
  const auto slot = slots_.take();
  auto worker = slot
                    ? fork_worker(*slot, id)
                    : Result<Running>(failed(ErrorCode::BrokenInvariant, "the scoreboard is full"));
  if (!worker) {
    if (slot) slots_.free(*slot, static_cast<std::uint32_t>(::getpid()));
    Error error = worker.error();
    error.what =
        fmt::format("group '{}': cannot start a worker: {}", settings_.daemon.name, error.what);
    log_.write(LogLevel::Error, error);
    return group_.start_failed(id, Clock::now());
  }
  workers_.emplace(id, std::move(*worker));
}

Result<Running> Supervision::fork_worker(std::uint32_t slot, WorkerId id) {
  auto control = os::make_message_pair();
  if (!control) return failed(control);
  auto stacks = os::make_pipe();
  if (!stacks) return failed(stacks);
  auto output = os::make_output_pipe();
  if (!output) return failed(output);
  auto preloads = preloads_for(id);
  const pid_t self = ::getpid();
  auto child = os::fork_child();
  if (!child) return failed(child);
  Running worker{std::move(*child), std::move(control->one), std::move(stacks->read_end), slot};
  worker.pid = worker.process.pid();
  worker.scripts = preloads;
  if (worker.pid != 0) {
    outputs_.add(worker.pid, std::move(output->read_end));
    return worker;
  }
  worker.control.reset();
  worker.stacks.reset();
  output->read_end.reset();
  become_worker(
      slot, {std::move(control->other), std::move(stacks->write_end), std::move(output->write_end)},
      self, std::move(preloads));
}

/// One that replaces an idle worker stays small until a request comes, but for Rolling scripts:
/// those might be broken by then.
std::vector<wsgi::OwnedScriptRef> Supervision::preloads_for(WorkerId id) const {
  if (is_service()) return settings_.preloads;
  const auto view = group_.find(id);
  const bool stays_small = view && view->instead_of == EndReason::InactivityTimeout;
  std::vector<wsgi::OwnedScriptRef> known = scripts_.known();
  if (stays_small) {
    std::erase_if(known, [](const wsgi::OwnedScriptRef& script) {
      return script.reloading != wsgi::ScriptReloading::Rolling;
    });
  }
  return with_known_scripts(settings_.preloads, known);
}

/// The others' ends: a worker must not keep a sibling's socket open, nor answer for the host.
void Supervision::forget_what_is_not_the_workers() {
  for (auto& [id, other] : workers_) {
    other.control.reset();
    other.stacks.reset();
  }
  outputs_.close();
  signals_.reset();
  scripts_.close();
  commands_.close();
  handover_.close();
  for (const int fd : {kSettings, kScoreboard, kPresence}) ::close(fd);
}

void Supervision::become_worker(std::uint32_t slot, Ends ends, pid_t supervisor,
                                std::vector<wsgi::OwnedScriptRef> preloads) {
  // The error log is the supervisor's alone: whoever holds a descriptor of the file could cut it
  // short, or write lines that look like another's.
  for (const int fd : {STDOUT_FILENO, STDERR_FILENO}) {
    if (::dup2(ends.output.get(), fd) >= 0) continue;
    log_.write(LogLevel::Alert,
               {ErrorCode::CannotOpenDescriptor,
                fmt::format("group '{}': a worker cannot have a pipe as descriptor {}",
                            settings_.daemon.name, fd),
                errno});
    ::_exit(1);
  }
  ends.output.reset();
  os::RelayedLog log(STDERR_FILENO, static_cast<LogLevel>(settings_.log_level));
  // Nothing may leave this function: unwinding would run the supervisor's own destructors here.
  try {
    forget_what_is_not_the_workers();
    os::allow_core_dumps();
    // Until Python is up it must not end the process.
    ::signal(os::kStacksSignal, SIG_IGN);
    os::set_process_title(config::title(settings_.daemon));
    apply_worker_limits(settings_.daemon, log);
    config::HostSettings settings = settings_;
    settings.preloads = std::move(preloads);
    const daemon::WorkerContext worker{
        settings, kListener, kLifeline, ends.control.get(), ends.stacks.get(), supervisor,
        slot,     board_,    log};
    // _exit: what the host would clean up at its own end is not the worker's.
    ::_exit(is_service() ? daemon::run_service(worker) : daemon::run_worker(worker));
  } catch (const std::exception& bug) {
    log.write(LogLevel::Critical, Error{ErrorCode::UnexpectedException, bug.what()});
  } catch (...) {
    ::_exit(1);
  }
  ::_exit(1);
}

void Supervision::kill(WorkerId id) {
  const auto found = workers_.find(id);
  const auto view = group_.find(id);
  if (found == workers_.end() || !view) return;
  Running& worker = found->second;
  explain_kill(worker, *view);
  worker.kill_at = Clock::now();
  // Each moment makes it worse for the others.
  if (view->reason == EndReason::MemoryExceeded) return;
  // Of a host that has been overtaken: that it had not started yet is nobody's fault.
  if (view->reason == EndReason::Replaced && !view->was_ready) return;
  stacks_.ask(worker);
  worker.kill_at += kTimeForStacks;
}

/// Findings of the watchdog have been explained already.
void Supervision::explain_kill(const Running& worker, const supervisor::WorkerView& view) {
  const std::string who = fmt::format("group '{}': worker {}", settings_.daemon.name, worker.pid);
  if (view.reason == EndReason::StartupTimeout && !view.was_ready) {
    log_.write(LogLevel::Error, Error{ErrorCode::WorkerStuckAtStart,
                                      fmt::format("{} was not ready after {} ms and is killed", who,
                                                  settings_.daemon.startup_timeout.count())});
  } else if (view.was_ready && !is_found_by_watchdog(view.reason)) {
    log_.write(
        LogLevel::Error,
        Error{ErrorCode::WorkerForced,
              fmt::format("{} had not ended in time ({}) and is killed, {} requests running", who,
                          to_string(view.reason), board_.workers[worker.slot].busy.load())});
  }
}

void Supervision::kill_who_had_their_time() {
  const auto now = Clock::now();
  for (auto& [id, worker] : workers_) {
    if (worker.kill_at > now) continue;
    worker.kill_at = kNever;
    worker.was_killed = worker.process.signal(SIGKILL);
  }
}

void Supervision::report_ready() {
  if (handover_.has_predecessor()) stay_drained();
  log_.write(LogLevel::Info,
             Error{ErrorCode::GroupReady,
                   fmt::format("group '{}': {} of {} workers are ready", settings_.daemon.name,
                               settings_.daemon.processes, settings_.daemon.processes)});
  handover_.retire_predecessor();
  handover_.report_ready();
}

/// Nothing of a group outlives it, whatever its processes did to get away from their parents.
void Supervision::end_what_is_left() {
  // Their last words must find somebody who reads them.
  const auto left =
      os::end_descendants(kTimeToEnd, kTimeToBeKilled, [this] { outputs_.serve(Clock::now()); });
  if (left.empty()) return;
  std::string who;
  for (std::size_t i = 0; i < std::min(left.size(), kMostNamed); ++i) {
    who += fmt::format("{}pid {}{}{}", i == 0 ? "" : ", ", left[i].pid,
                       left[i].command.empty() ? "" : ": ", left[i].command);
  }
  if (left.size() > kMostNamed) who += ", ...";
  log_.write(
      LogLevel::Warning,
      Error{ErrorCode::LeftProcessesEnded,
            fmt::format("group '{}': its end is the end of {} that the application has "
                        "started and not waited for ({}){}",
                        settings_.daemon.name,
                        left.size() == 1 ? "a process" : fmt::format("{} processes", left.size()),
                        who, os::has_children() ? "; some cannot be ended" : "")});
}

// On the board before the operator has the answer: a request that comes next finds it so.
void Supervision::drain() {
  group_.pause(Clock::now());
  show_on_board();
}

void Supervision::resume() {
  group_.resume(Clock::now());
  show_on_board();
}

void Supervision::show_on_board() {
  for (const auto& [id, worker] : workers_) {
    if (const auto view = group_.find(id)) {
      slots_.show(worker.slot, worker.pid, on_board(view->state), view->generation);
    }
  }
  slots_.show_totals();
  if (group_.is_ending()) return;  // what is said of the group is now said by another host
  // The newest host says how its starts go, the one that serves whether it does.
  if (!group_.succession().is_superseded()) {
    board_.generation.store(group_.generation());
    board_.failures_in_a_row.store(static_cast<std::uint32_t>(group_.failures_in_a_row()));
  }
  if (group_.succession().predecessor_serves()) return;
  board_.group_state.store(group_.is_paused() ? scoreboard::GroupState::Paused
                                              : scoreboard::GroupState::Serving);
}

}  // namespace wsgix::host

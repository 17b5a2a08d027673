// SPDX-License-Identifier: Apache-2.0
// host/supervision_actions.cpp: the half of Supervision that carries out what the group decided.
#include <fmt/format.h>
#include <unistd.h>

#include <csignal>
#include <vector>

#include "descriptors.hpp"
#include "limits.hpp"
#include "on_board.hpp"
#include "supervision.hpp"
#include "wsgix/daemon/service.hpp"
#include "wsgix/daemon/worker.hpp"
#include "wsgix/os/descriptors.hpp"
#include "wsgix/os/process_title.hpp"
#include "wsgix/scoreboard/threads.hpp"

namespace wsgix::host {
namespace {

using Kind = supervisor::Action::Kind;
using supervisor::Reason;
using supervisor::WorkerId;

/// A worker that shall be killed may say where it stands first.
constexpr milliseconds kTimeForStacks{500};

/// Those that act_on() has explained.
bool is_found_by_watchman(Reason reason) {
  return reason == Reason::DeadlockTimeout || reason == Reason::MemoryExceeded ||
         reason == Reason::StartupTimeout;
}

}  // namespace

// ---- what to do ----

void Supervision::act() {
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
  auto preloads = preloads_for(id);
  const pid_t self = ::getpid();
  auto child = os::fork_child();
  if (!child) return failed(child);
  Running worker{std::move(*child), std::move(control->one), std::move(stacks->read_end), slot};
  worker.pid = worker.process.pid();
  worker.scripts = preloads;
  if (worker.pid != 0) return worker;
  worker.control = std::move(control->other);
  worker.stacks.reset();
  become_worker(worker, stacks->write_end.get(), self, std::move(preloads));
}

/// One that replaces an idle worker stays small until a request comes, but for Rolling scripts:
/// those might be broken by then.
std::vector<config::Preload> Supervision::preloads_for(WorkerId id) const {
  if (is_service()) return settings_.preloads;
  const auto view = group_.find(id);
  const bool stays_small = view && view->instead_of == Reason::InactivityTimeout;
  std::vector<scoreboard::KnownScript> known = scripts_.known();
  if (stays_small) {
    std::erase_if(known, [](const scoreboard::KnownScript& script) {
      return script.reloading != scoreboard::ScriptReloading::Rolling;
    });
  }
  return with_known_scripts(settings_.preloads, known);
}

void Supervision::become_worker(Running& place, int stacks, pid_t supervisor,
                                std::vector<config::Preload> preloads) {
  // Nothing may leave this function: unwinding would run the supervisor's own destructors here.
  try {
    // The others' ends: a worker must not keep a sibling's socket open, nor answer for the host.
    for (auto& [id, other] : workers_) {
      other.control.reset();
      other.stacks.reset();
    }
    signals_.reset();
    scripts_.close();
    commands_.close();
    for (const int fd : {kSettings, kScoreboard, kRetire, kHandover}) ::close(fd);
    // Until Python is up it must not end the process.
    ::signal(os::kStacksSignal, SIG_IGN);
    os::set_process_title(config::title(settings_.daemon));
    apply_worker_limits(settings_.daemon, log_);
    config::HostSettings settings = settings_;
    settings.preloads = std::move(preloads);
    const daemon::WorkerPlace worker{settings, kListener,  kLifeline,  place.control.get(),
                                     stacks,   supervisor, place.slot, board_,
                                     log_};
    // _exit: what the host would clean up at its own end is not the worker's.
    ::_exit(is_service() ? daemon::run_service(worker) : daemon::run_worker(worker));
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
  Running& worker = found->second;
  explain_kill(worker, *view);
  worker.kill_at = Clock::now();
  if (view->reason == Reason::MemoryExceeded) return;  // each moment makes it worse for the others
  stacks_.ask(worker);
  worker.kill_at += kTimeForStacks;
}

/// Findings of the watchman have been explained already.
void Supervision::explain_kill(const Running& worker, const supervisor::WorkerView& view) {
  const std::string who = fmt::format("group '{}': worker {}", settings_.daemon.name, worker.pid);
  if (view.reason == Reason::StartupTimeout && !view.was_ready) {
    log_.write(LogLevel::Error, Error{ErrorCode::WorkerStuckAtStart,
                                      fmt::format("{} was not ready after {} ms and is killed", who,
                                                  settings_.daemon.startup_timeout.count())});
  } else if (view.was_ready && !is_found_by_watchman(view.reason)) {
    log_.write(LogLevel::Error,
               Error{ErrorCode::WorkerForced,
                     fmt::format("{} had not ended in time ({}) and is killed, {} requests running",
                                 who, scoreboard::to_string(for_board(view.reason)),
                                 board_.workers[worker.slot].busy.load())});
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
  if (predecessor_serves_) stay_drained();
  commands_.take_over();
  log_.write(LogLevel::Info,
             fmt::format("WX2013: group '{}': {} of {} workers are ready", settings_.daemon.name,
                         settings_.daemon.processes, settings_.daemon.processes));
  tell_predecessor_to_retire();
}

void Supervision::show_on_board() {
  for (const auto& [id, worker] : workers_) {
    if (const auto view = group_.find(id)) {
      slots_.show(worker.slot, worker.pid, for_board(view->state), view->generation);
    }
  }
  slots_.show_totals();
  if (group_.is_ending()) return;  // what is said of the group is now said by another host
  // The newest host says how its starts go, the one that serves whether it does.
  if (!commands_.is_superseded()) {
    board_.generation.store(group_.generation());
    board_.failures_in_a_row.store(static_cast<std::uint32_t>(group_.failures_in_a_row()));
  }
  if (predecessor_serves_) return;
  board_.group_state.store(group_.is_paused() ? scoreboard::GroupState::Paused
                                              : scoreboard::GroupState::Serving);
}

}  // namespace wsgix::host

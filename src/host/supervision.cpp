// SPDX-License-Identifier: Apache-2.0
#include "supervision.hpp"

#include <fmt/format.h>
#include <poll.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <vector>

#include "descriptors.hpp"
#include "limits.hpp"
#include "on_board.hpp"
#include "verdicts.hpp"
#include "wsgix/daemon/service.hpp"
#include "wsgix/daemon/worker.hpp"
#include "wsgix/os/descriptors.hpp"
#include "wsgix/os/process_title.hpp"
#include "wsgix/scoreboard/threads.hpp"

namespace wsgix::host {
namespace {

using Kind = supervisor::Action::Kind;
using supervisor::Reason;
using supervisor::State;
using supervisor::WorkerId;

/// A worker that shall be killed may say where it stands first.
constexpr milliseconds kTimeForStacks{500};
constexpr milliseconds kBetweenStackLines{50};

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
  const bool grows_old = daemon.threads > 0;  // a service decides for itself when it ends
  return {.processes = daemon.processes,
          .startup = daemon.startup_timeout,
          .graceful = daemon.graceful_timeout,
          .eviction = daemon.eviction_timeout,
          .shutdown = daemon.shutdown_timeout,
          .restart_interval = grows_old ? daemon.restart_interval : milliseconds::zero()};
}

/// Those that act_on() has explained.
bool is_found_by_watchman(Reason reason) {
  return reason == Reason::DeadlockTimeout || reason == Reason::MemoryExceeded ||
         reason == Reason::StartupTimeout;
}

/// The first host of a group has nobody to take over from: there the parent leaves the null device.
bool has_predecessor() {
  struct stat what {};
  return ::fstat(kHandover, &what) == 0 && !S_ISCHR(what.st_mode);
}

}  // namespace

Supervision::Supervision(const config::HostSettings& settings, scoreboard::Board& board,
                         LogSink& log)
    : settings_(settings),
      board_(board),
      log_(log),
      slots_(board),
      group_(limits_of(settings.daemon), {.first_start = Clock::now(),
                                          .predecessor_serves = has_predecessor(),
                                          .generation = board.generation.load() + 1}),
      scripts_(board),
      watchman_(settings.daemon, board),
      stacks_(settings.daemon.name, log),
      obituary_(settings.daemon, board, log),
      overload_(settings.daemon, board, log),
      commands_(settings, board, *this, log),
      httpd_(::getppid()),
      retire_pipe_open_(os::is_open(kRetire)),
      handover_open_(has_predecessor()) {}

Result<void> Supervision::run() {
  auto signals = os::SignalPipe::open({SIGCHLD, SIGTERM, SIGINT, SIGUSR1, SIGUSR2, SIGHUP});
  if (!signals) return failed(signals);
  signals_.emplace(std::move(*signals));
  board_.host_pid.store(static_cast<std::uint32_t>(::getpid()));
  board_.threads_per_worker.store(static_cast<std::uint32_t>(settings_.daemon.threads));
  slots_.reclaim_from_the_dead();
  // What the operator has drained stays so in a new generation of the configuration.
  if (board_.group_state.load() == scoreboard::GroupState::Paused) group_.pause(Clock::now());

  while (!finished_) {
    group_.time_passed(Clock::now());
    commands_.serve(Clock::now());
    act();
    if (finished_) break;
    wait();
    // No orphan, ever: the destructor of each worker's process kills and reaps it.
    if (httpd_is_gone()) break;
    if (Clock::now() >= watchman_.next_look()) look_around();
    kill_who_had_their_time();
  }
  return {};
}

// ---- what happens ----

void Supervision::wait() {
  std::vector<pollfd> watched = {{signals_->fd(), POLLIN, 0},
                                 {kLifeline, 0, 0},
                                 {retire_pipe_open_ ? kRetire : -1, POLLIN, 0},
                                 {handover_open_ ? kHandover : -1, 0, 0},
                                 {scripts_.fd(), POLLIN, 0}};
  const std::size_t first_worker = watched.size();
  std::vector<WorkerId> ids;
  for (const auto& [id, worker] : workers_) {
    watched.push_back({worker.control.get(), POLLIN, 0});
    watched.push_back({worker.stacks.get(), POLLIN, 0});
    ids.push_back(id);
  }
  commands_.watch(watched);
  if (::poll(watched.data(), watched.size(), poll_timeout(next_wake())) <= 0) return;

  // Words before ends: the last word of a worker says why it ended.
  for (std::size_t i = 0; i < ids.size(); ++i) {
    Running& worker = workers_.at(ids[i]);
    if (watched[first_worker + 2 * i].revents != 0) hear_worker(ids[i], worker);
    if (watched[first_worker + 2 * i + 1].revents != 0) hear_stacks(worker);
  }
  if (watched[0].revents != 0) hear_signals();
  if (watched[2].revents != 0) hear_retire_pipe();
  if (watched[3].revents != 0) notice_end_of_predecessor();
  if (watched[4].revents != 0) look_at_scripts();
}

Deadline Supervision::next_wake() const {
  Deadline wake =
      std::min({group_.next_deadline(), watchman_.next_look(), commands_.next_deadline()});
  for (const auto& [id, worker] : workers_) wake = std::min(wake, worker.kill_at);
  return wake;
}

bool Supervision::httpd_is_gone() const noexcept {
  return os::has_ended(kLifeline) || ::getppid() != httpd_;
}

void Supervision::hear_signals() {
  const auto now = Clock::now();
  for (const int signal : signals_->take()) {
    if (signal == SIGCHLD) reap_workers();
    if (signal == SIGTERM || signal == SIGINT) group_.terminate(now);
    if (signal == SIGUSR1) replace_workers(Reason::Replaced);
  }
}

void Supervision::replace_workers(Reason reason) {
  if (settings_.daemon.threads > 0) return group_.reload(reason, Clock::now());
  // A service ends before the next one begins: two would do its work twice.
  for (const auto& entry : workers_) entry.second.process.signal(SIGTERM);
}

void Supervision::hear_retire_pipe() {
  char byte = 0;
  const ssize_t count = ::read(kRetire, &byte, 1);
  if (count < 0 && (errno == EINTR || errno == EAGAIN)) return;
  retire_pipe_open_ = false;
  commands_.stop_listening();
  if (count > 0) group_.retire(Clock::now());
}

/// Nobody reads the other end of the handover any more: its host has ended.
void Supervision::notice_end_of_predecessor() {
  close_handover();
  group_.predecessor_ended(Clock::now());
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

void Supervision::hear_stacks(Running& worker) {
  stacks_.hear(worker);
  // It writes all of them at one go: soon there is nothing more to wait for.
  if (worker.kill_at != kNever) {
    worker.kill_at = std::min<Deadline>(worker.kill_at, Clock::now() + kBetweenStackLines);
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
    case daemon::Report::CannotLoad: cannot_load(id); break;
    case daemon::Report::UsesScript:
      scripts_.remember(report.script);
      workers_.at(id).scripts.push_back(as_preload(report.script));
      break;
  }
}

bool Supervision::has_served(WorkerId id) const {
  return board_.workers[workers_.at(id).slot].requests.load() > 0;
}

void Supervision::cannot_load(WorkerId id) {
  group_.worker_cannot_load(id, Clock::now());
  const auto view = group_.find(id);
  const bool is_turned_away = view && view->reason == Reason::CannotLoad;
  log_.write(
      LogLevel::Error,
      Error{ErrorCode::NewVersionBroken,
            fmt::format("group '{}': worker {} cannot load a script of the group{}",
                        settings_.daemon.name, workers_.at(id).pid,
                        is_turned_away ? "; the workers that have it loaded go on serving"
                                       : ", and no other worker can serve it: its requests get an "
                                         "error response")});
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
  stacks_.finish(worker->second);
  const Running dead = std::move(worker->second);
  workers_.erase(worker);
  watchman_.forget(id);
  const auto view = group_.find(id).value_or(supervisor::WorkerView{});
  group_.worker_ended(id, Clock::now());

  obituary_.write(dead, view, wait_status, group_.failures_in_a_row());
  scoreboard::free_threads_of(board_, static_cast<std::uint32_t>(dead.pid));
  slots_.free(dead.slot);
}

void Supervision::look_around() {
  for (const Finding& finding : watchman_.look(workers_)) act_on(finding);
  if (overload_.look(workers_)) write_stacks();
  look_at_scripts();
  complete_workers();
}

/// A script is learned from the first request for it, which one worker gets.
void Supervision::complete_workers() {
  for (auto& [id, worker] : workers_) {
    const auto view = group_.find(id);
    if (!view || view->state != State::Ready || worker.is_incomplete) continue;
    const auto missing = scripts_.missing_in(worker.scripts);
    if (!missing) continue;
    worker.is_incomplete = true;
    log_.write(LogLevel::Info,
               fmt::format("WX2013: group '{}': worker {} has not loaded {} yet and is replaced by "
                           "one that has",
                           settings_.daemon.name, worker.pid, *missing));
    group_.worker_wants_successor(id, Reason::ScriptReload, Clock::now());
  }
}

void Supervision::look_at_scripts() {
  const auto changed = scripts_.changed();
  if (changed.empty() || group_.is_ending()) return;
  for (const std::string& path : changed) {
    log_.write(LogLevel::Info, fmt::format("WX2013: group '{}': {} has changed, the workers are "
                                           "replaced",
                                           settings_.daemon.name, path));
  }
  group_.reload(Reason::ScriptReload, Clock::now());
}

void Supervision::act_on(const Finding& finding) {
  const auto now = Clock::now();
  log_finding(log_, settings_.daemon, workers_.at(finding.worker).pid, finding);
  switch (finding.reason) {
    case Reason::DeadlockTimeout:
    case Reason::StartupTimeout:
    case Reason::MemoryExceeded: return group_.kill_now(finding.worker, finding.reason, now);
    case Reason::RequestTimeout: tell(finding.worker, daemon::Word::WriteStacks); break;
    default: break;
  }
  if (settings_.daemon.threads == 0) {
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
    if (slot) slots_.free(*slot);
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
    for (const int fd : {kSettings, kScoreboard, kRetire}) ::close(fd);
    if (handover_open_) ::close(kHandover);
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
    ::_exit(settings_.daemon.threads == 0 ? daemon::run_service(worker)
                                          : daemon::run_worker(worker));
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
  commands_.take_over();
  log_.write(LogLevel::Info,
             fmt::format("WX2013: group '{}': {} of {} workers are ready", settings_.daemon.name,
                         settings_.daemon.processes, settings_.daemon.processes));
  if (!handover_open_) return;
  const char byte = 1;
  [[maybe_unused]] const ssize_t ignored = ::write(kHandover, &byte, 1);
  close_handover();
}

void Supervision::close_handover() {
  ::close(kHandover);
  handover_open_ = false;  // the number may soon mean something else
}

void Supervision::show_on_board() {
  for (const auto& [id, worker] : workers_) {
    if (const auto view = group_.find(id)) {
      slots_.show(worker.slot, worker.pid, for_board(view->state), view->generation);
    }
  }
  slots_.count_ready();
  if (group_.is_ending()) return;  // what is said of the group is now said by another host
  board_.generation.store(group_.generation());
  board_.failures_in_a_row.store(static_cast<std::uint32_t>(group_.failures_in_a_row()));
  board_.group_state.store(group_.is_paused() ? scoreboard::GroupState::Paused
                                              : scoreboard::GroupState::Serving);
}

}  // namespace wsgix::host

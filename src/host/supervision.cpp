// SPDX-License-Identifier: Apache-2.0
#include "supervision.hpp"

#include <fmt/format.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <vector>

#include "descriptors.hpp"
#include "verdicts.hpp"
#include "wsgix/os/descriptors.hpp"
#include "wsgix/scoreboard/threads.hpp"

namespace wsgix::host {
namespace {

using supervisor::Reason;
using supervisor::State;
using supervisor::WorkerId;

constexpr milliseconds kBetweenStackLines{50};
constexpr seconds kBetweenReclaims{1};
constexpr int kReportsPerRound = 64;
/// More than a socket holds of them; who still writes is a child that the worker left behind.
constexpr int kLastReports = 1024;

/// The first host of a group has nobody to take over from: there the parent leaves the null device.
bool has_predecessor() {
  struct stat what {};
  return ::fstat(kHandover, &what) == 0 && !S_ISCHR(what.st_mode);
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
  const bool grows_old = daemon.threads > 0;  // a service decides for itself when it ends
  return {.processes = daemon.processes,
          .startup = daemon.startup_timeout,
          .graceful = daemon.graceful_timeout,
          .eviction = daemon.eviction_timeout,
          .shutdown = daemon.shutdown_timeout,
          .restart_interval = grows_old ? daemon.restart_interval : milliseconds::zero()};
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
      predecessor_serves_(has_predecessor()) {}

Result<void> Supervision::run() {
  auto signals = os::SignalPipe::open({SIGCHLD, SIGTERM, SIGINT, SIGUSR1, SIGUSR2, SIGHUP});
  if (!signals) return failed(signals);
  signals_.emplace(std::move(*signals));
  board_.host_pid.store(static_cast<std::uint32_t>(::getpid()));
  board_.threads_per_worker.store(static_cast<std::uint32_t>(settings_.daemon.threads));
  reclaim_places();
  stay_drained();

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
                                 {predecessor_serves_ ? kHandover : -1, 0, 0},
                                 {is_service() ? -1 : scripts_.fd(), POLLIN, 0}};
  const std::size_t first_worker = watched.size();
  std::vector<WorkerId> ids;
  for (const auto& [id, worker] : workers_) {
    watched.push_back({worker.control.get(), POLLIN, 0});
    watched.push_back({worker.stacks.get(), POLLIN, 0});
    ids.push_back(id);
  }
  commands_.watch(watched);
  if (::poll(watched.data(), watched.size(), poll_timeout(next_wake())) <= 0) return;

  // Scripts before words: a worker that leaves for a changed script is then part of one reload.
  if (watched[4].revents != 0 && scripts_.has_news()) look_at_scripts();
  // Words before ends: the last word of a worker says why it ended.
  for (std::size_t i = 0; i < ids.size(); ++i) {
    Running& worker = workers_.at(ids[i]);
    if (watched[first_worker + 2 * i].revents != 0) hear_worker(ids[i], worker, kReportsPerRound);
    if (watched[first_worker + 2 * i + 1].revents != 0) hear_stacks(worker);
  }
  if (watched[0].revents != 0) hear_signals();
  if (watched[2].revents != 0) hear_retire_pipe();
  if (watched[3].revents != 0) notice_end_of_predecessor();
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
  if (!is_service()) return group_.reload(reason, Clock::now());
  // A service ends before the next one begins: two would do its work twice.
  for (const auto& entry : workers_) entry.second.process.signal(SIGTERM);
}

void Supervision::hear_retire_pipe() {
  char byte = 0;
  // Before it is taken: what a dead host has not taken, the parent passes on.
  if (::recv(kRetire, &byte, 1, MSG_PEEK | MSG_DONTWAIT) > 0) tell_predecessor_to_retire();
  const ssize_t count = ::read(kRetire, &byte, 1);
  if (count < 0 && (errno == EINTR || errno == EAGAIN)) return;
  retire_pipe_open_ = false;
  commands_.stop_listening();
  if (count > 0) group_.retire(Clock::now());
}

/// It serves until somebody after it does: this host, or one that retires this host before it was
/// ever ready and knows of no other.
void Supervision::tell_predecessor_to_retire() {
  if (!predecessor_serves_) return;
  // It stays open: its number must not become another descriptor's.
  const char byte = 1;
  [[maybe_unused]] const ssize_t ignored = ::write(kHandover, &byte, 1);
  predecessor_serves_ = false;
}

/// What the operator has drained stays so in a new generation of the configuration.
void Supervision::stay_drained() {
  if (board_.group_state.load() == scoreboard::GroupState::Paused) group_.pause(Clock::now());
}

/// Nobody reads the other end of the handover any more: its host has ended.
void Supervision::notice_end_of_predecessor() {
  stay_drained();
  predecessor_serves_ = false;
  group_.predecessor_ended(Clock::now());
}

/// A worker that never stops talking must not keep the supervisor from the others.
void Supervision::hear_worker(WorkerId id, Running& worker, int most_reports) {
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
      group_.worker_is_leaving(id, reason_for(report.cause), has_served(workers_.at(id)), now);
      break;
    case daemon::Report::WantsSuccessor:
      group_.worker_wants_successor(id, reason_for(report.cause), now);
      break;
    case daemon::Report::CannotLoad: cannot_load(id); break;
    case daemon::Report::UsesScript:
      scripts_.remember(report.script);
      if (auto& loaded = workers_.at(id).scripts; !is_among(loaded, as_preload(report.script))) {
        loaded.push_back(as_preload(report.script));
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
  const bool is_turned_away = view && view->reason == Reason::CannotLoad;
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
    if (const auto status = current->second.process.reap()) bury(current, *status);
  }
}

void Supervision::bury(Workers::iterator worker, int wait_status) {
  const WorkerId id = worker->first;
  hear_worker(id, worker->second, kLastReports);
  stacks_.finish(worker->second);
  const Running dead = std::move(worker->second);
  workers_.erase(worker);
  watchman_.forget(id);
  const auto view = group_.find(id).value_or(supervisor::WorkerView{});
  if (has_served(dead)) group_.worker_served(id);
  group_.worker_ended(id, Clock::now());

  obituary_.write(dead, view, wait_status, group_.failures_in_a_row());
  scoreboard::free_threads_of(board_, static_cast<std::uint32_t>(dead.pid));
  slots_.free(dead.slot, static_cast<std::uint32_t>(dead.pid));
}

/// Workers whose host was killed drain and end with nobody to bury them.
void Supervision::reclaim_places() {
  if (Clock::now() < next_reclaim_) return;
  next_reclaim_ = after(kBetweenReclaims);
  slots_.reclaim_from_the_dead();
}

void Supervision::look_around() {
  reclaim_places();
  for (const Finding& finding : watchman_.look(workers_)) act_on(finding);
  if (overload_.look(workers_)) write_stacks();
  // A service may have taken over the board of a group that served scripts.
  if (is_service()) return;
  look_at_scripts();
  complete_workers();
}

/// A script is learned from the first request for it, which one worker gets.
void Supervision::complete_workers() {
  // Once for all workers: it looks at every file.
  const std::vector<config::Preload> wanted = scripts_.wanted_everywhere();
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
               fmt::format("WX2013: group '{}': worker {} has not loaded {} yet and is replaced by "
                           "one that has",
                           settings_.daemon.name, worker.pid, missing->script));
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
  if (has_served(workers_.at(finding.worker))) group_.worker_served(finding.worker);
  switch (finding.reason) {
    case Reason::DeadlockTimeout:
    case Reason::StartupTimeout:
    case Reason::MemoryExceeded: return group_.kill_now(finding.worker, finding.reason, now);
    case Reason::RequestTimeout: tell(finding.worker, daemon::Word::WriteStacks); break;
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

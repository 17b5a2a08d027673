// SPDX-License-Identifier: Apache-2.0
#include "worker_watchdog.hpp"

#include <fmt/format.h>

#include "wsgix/os/memory.hpp"

namespace wsgix::host {
namespace {

using scoreboard::RunningRequest;
using scoreboard::ThreadPhase;
using std::chrono::microseconds;

constexpr milliseconds kShortPause{250};
constexpr seconds kLongPause{1};
/// For a request that was interrupted at its deadline, without interrupt-timeout=.
constexpr seconds kAfterDeadline{5};

Clock::time_point time_of(std::int64_t us) { return Clock::time_point(microseconds(us)); }

std::optional<Clock::time_point> time_if_set(std::int64_t us) {
  if (us == 0) return std::nullopt;
  return time_of(us);
}

supervisor::WatchLimits limits_of(const config::DaemonSettings& daemon) {
  const bool interrupts = daemon.interrupt_timeout > milliseconds::zero();
  supervisor::WatchLimits limits;
  limits.soft_bytes = daemon.memory_recycle.soft;
  limits.hard_bytes = daemon.memory_recycle.hard;
  if (daemon.threads == 0) return limits;  // a service has no requests to be judged by
  limits.startup = daemon.startup_timeout;
  if (daemon.request_timeout > milliseconds::zero()) {
    limits.request = config::request_time_limit(daemon) + daemon.interrupt_timeout;
  }
  limits.after_deadline = interrupts ? daemon.interrupt_timeout : milliseconds(kAfterDeadline);
  limits.inactivity = daemon.inactivity_timeout;
  limits.deadlock = daemon.deadlock_timeout;
  return limits;
}

supervisor::RequestSample sample_of(const RunningRequest& request) {
  supervisor::RequestSample sample;
  sample.since = time_of(request.since_us);
  sample.deadline = time_if_set(request.deadline_us).value_or(kNever);
  if (request.phase == ThreadPhase::Loading) sample.loading_since = time_of(request.phase_us);
  return sample;
}

std::vector<RunningRequest> those_of(pid_t pid, const std::vector<RunningRequest>& requests) {
  std::vector<RunningRequest> found;
  for (const RunningRequest& request : requests) {
    if (request.pid == static_cast<std::uint32_t>(pid)) found.push_back(request);
  }
  return found;
}

double in_seconds(milliseconds span) { return static_cast<double>(span.count()) / 1000; }
std::int64_t in_mebibytes(std::int64_t bytes) { return bytes / (1024 * 1024); }

Error describe(const std::string& who, const config::DaemonSettings& daemon, pid_t pid,
               const Finding& finding) {
  switch (finding.reason) {
    case EndReason::DeadlockTimeout:
      return Error{ErrorCode::WorkerHangs,
                   fmt::format("{}: its Python has made no progress for {:.0f} s{}; it is killed "
                               "(deadlock-timeout={:.0f})",
                               who, in_seconds(finding.span),
                               os::is_stopped(pid) ? ", the process is stopped by a signal" : "",
                               in_seconds(daemon.deadlock_timeout))};
    case EndReason::RequestTimeout:
      return Error{ErrorCode::RequestStuck,
                   fmt::format("{}: {} has been running for {:.1f} s and does not come back; the "
                               "worker is replaced",
                               who, finding.request, in_seconds(finding.span))};
    case EndReason::StartupTimeout:
      return Error{ErrorCode::WorkerStuckAtStart,
                   fmt::format("{}: the script of {} has been loading for {:.1f} s; it is killed "
                               "(startup-timeout={:.0f})",
                               who, finding.request, in_seconds(finding.span),
                               in_seconds(daemon.startup_timeout))};
    case EndReason::MemoryExceeded:
      return Error{ErrorCode::MemoryLimitReached,
                   fmt::format("{} holds {} MiB of memory, more than the hard limit of "
                               "memory-recycle=, {} MiB; it is killed",
                               who, in_mebibytes(finding.resident),
                               in_mebibytes(daemon.memory_recycle.hard))};
    case EndReason::MemoryRecycle:
      return Error{ErrorCode::WorkerTooBig,
                   fmt::format("{} holds {} MiB of memory and is replaced (memory-recycle)", who,
                               in_mebibytes(finding.resident))};
    default:
      return Error{ErrorCode::WorkerIdle,
                   fmt::format("{} has been idle for {:.0f} s and is replaced (inactivity-timeout)",
                               who, in_seconds(finding.span))};
  }
}

/// Of a limit that the administrator has set for it.
bool is_routine(EndReason reason) {
  return reason == EndReason::MemoryRecycle || reason == EndReason::InactivityTimeout;
}

}  // namespace

WorkerWatchdog::WorkerWatchdog(const config::DaemonSettings& daemon, scoreboard::Board& board)
    : board_(board),
      watch_(limits_of(daemon)),
      limits_requests_(daemon.startup_timeout > milliseconds::zero() ||
                       daemon.request_timeout > milliseconds::zero()),
      next_look_(after(kLongPause)) {}

std::vector<Finding> WorkerWatchdog::look(const Workers& workers) {
  const auto now = Clock::now();
  measures_ = now >= next_measurement_;
  if (measures_) next_measurement_ = now + kLongPause;
  watch_.begin_look(now);

  const std::vector<RunningRequest> all = scoreboard::running_requests(board_);
  std::vector<Finding> findings;
  for (const auto& [id, worker] : workers) {
    if (worker.was_killed || worker.kill_at != kNever) continue;
    const auto requests = those_of(worker.pid, all);
    const supervisor::WorkerSample seen = sample(id, worker, requests);
    const supervisor::Verdict verdict = watch_.judge(seen, now);
    if (verdict.reason == EndReason::None) continue;
    Finding finding{id, verdict.reason};
    if (verdict.request < requests.size()) finding.request = requests[verdict.request].text;
    finding.span = std::chrono::duration_cast<milliseconds>(verdict.span);
    finding.resident = seen.resident_bytes.value_or(0);
    findings.push_back(std::move(finding));
  }
  const bool short_pause = !all.empty() && (limits_requests_ || all.front().deadline_us != 0);
  next_look_ = now + (short_pause ? Clock::duration(kShortPause) : Clock::duration(kLongPause));
  return findings;
}

supervisor::WorkerSample WorkerWatchdog::sample(supervisor::WorkerId id, const Running& worker,
                                                const std::vector<RunningRequest>& requests) {
  scoreboard::WorkerSlot& slot = board_.workers[worker.slot];
  supervisor::WorkerSample seen;
  seen.worker = id;
  seen.is_ready = slot.state.load() == scoreboard::WorkerState::Ready;
  seen.started = time_of(slot.started_us.load());
  seen.heartbeat = time_if_set(slot.heartbeat_us.load());
  seen.activity = time_if_set(slot.activity_us.load());
  if (measures_) {
    seen.resident_bytes = os::resident_bytes(worker.pid);
    slot.resident_bytes.store(static_cast<std::uint64_t>(seen.resident_bytes.value_or(0)));
  }
  for (const RunningRequest& request : requests) seen.requests.push_back(sample_of(request));
  return seen;
}

void log_finding(LogSink& log, const config::DaemonSettings& daemon, pid_t pid,
                 const Finding& finding) {
  const std::string who = fmt::format("group '{}': worker {}", daemon.name, pid);
  log.write(is_routine(finding.reason) ? LogLevel::Info : LogLevel::Error,
            describe(who, daemon, pid, finding));
}

}  // namespace wsgix::host

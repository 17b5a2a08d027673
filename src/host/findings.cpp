// SPDX-License-Identifier: Apache-2.0
#include "findings.hpp"

#include <fmt/format.h>

#include "wsgix/os/memory.hpp"

namespace wsgix::host {
namespace {

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

void log_finding(LogSink& log, const config::DaemonSettings& daemon, pid_t pid,
                 const Finding& finding) {
  const std::string who = fmt::format("group '{}': worker {}", daemon.name, pid);
  log.write(is_routine(finding.reason) ? LogLevel::Info : LogLevel::Error,
            describe(who, daemon, pid, finding));
}

}  // namespace wsgix::host

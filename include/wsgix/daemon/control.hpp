// SPDX-License-Identifier: Apache-2.0
// daemon/control.hpp: the few words between a worker and its supervisor, over a message socket.
#pragma once

#include <cstdint>
#include <optional>

#include "wsgix/base/result.hpp"

namespace wsgix::daemon {

enum class Report : std::uint8_t {
  Ready = 1,           ///< it serves from now on
  Leaving = 2,         ///< it takes no more requests and ends when the running ones have
  WantsSuccessor = 3,  ///< it serves until it is told to retire
};
enum class Cause : std::uint8_t {
  None = 0,
  ScriptReload = 1,
  MaximumRequests = 2,
  Signal = 3,  ///< somebody sent SIGTERM or SIGINT to the worker
  Asked = 4,   ///< somebody sent SIGUSR1 to the worker
};
struct WorkerReport {
  Report report;
  Cause cause;

  bool operator==(const WorkerReport&) const = default;
};

// Never wait. Sending to a process that has gone is no error: its end shows elsewhere.
void send_report(int control, WorkerReport report) noexcept;
void send_retire(int control) noexcept;

/// The next report; nullopt when none is there. Failures: PeerClosed, UnexpectedFrame.
Result<std::optional<WorkerReport>> receive_report(int control);
/// True when the worker was told to retire. Failures: PeerClosed, UnexpectedFrame.
Result<bool> receive_retire(int control);

}  // namespace wsgix::daemon

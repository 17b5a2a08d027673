// SPDX-License-Identifier: Apache-2.0
// daemon/control.hpp: the few words between a worker and its supervisor, over a message socket.
#pragma once

#include <cstdint>
#include <optional>

#include "wsgix/base/result.hpp"
#include "wsgix/wsgi/script_ref.hpp"

namespace wsgix::daemon {

enum class Report : std::uint8_t {
  Ready = 1,           ///< it serves from now on
  Leaving = 2,         ///< it takes no more requests and ends when the running ones have
  WantsSuccessor = 3,  ///< it serves until it is told to retire
  CannotLoad = 4,      ///< Python, or a Rolling script, failed to load: it waits for a word
  UsesScript = 5,      ///< a request was answered by this script; repeated each minute
};
enum class Cause : std::uint8_t {
  None = 0,
  ScriptReload = 1,
  MaximumRequests = 2,
  Signal = 3,        ///< somebody sent SIGTERM or SIGINT to the worker
  Asked = 4,         ///< somebody sent SIGUSR1 to the worker
  CpuTimeLimit = 5,  ///< SIGXCPU
};

struct WorkerReport {
  Report report;
  Cause cause = Cause::None;
  wsgi::OwnedScriptRef script{};  ///< for UsesScript

  bool operator==(const WorkerReport&) const = default;
};

enum class Word : std::uint8_t {
  Retire = 1,       ///< take no more requests and end
  Serve = 2,        ///< after CannotLoad: there is nothing better, answer with the cause
  WriteStacks = 3,  ///< log what every thread with a request is doing
};

// Never wait. Sending to a process that has gone is no error: its end shows elsewhere.
void send_report(int control, const WorkerReport& report) noexcept;
void send_word(int control, Word word) noexcept;

/// The next report; nullopt when none is there. Failures: PeerClosed, UnexpectedFrame.
Result<std::optional<WorkerReport>> receive_report(int control);
/// What the supervisor wants next; nullopt when nothing. Failures: PeerClosed, UnexpectedFrame.
Result<std::optional<Word>> receive_word(int control);

}  // namespace wsgix::daemon

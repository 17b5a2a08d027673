// SPDX-License-Identifier: Apache-2.0
#include "on_board.hpp"

namespace wsgix::host {

using scoreboard::EndReason;
using scoreboard::WorkerState;
using supervisor::Reason;
using supervisor::State;

EndReason for_board(Reason reason) noexcept {
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

WorkerState for_board(State state) noexcept {
  switch (state) {
    case State::Starting: return WorkerState::Starting;
    case State::Ready: return WorkerState::Ready;
    case State::Draining:
    case State::Killed:
    case State::Gone: break;
  }
  return WorkerState::Draining;
}

}  // namespace wsgix::host

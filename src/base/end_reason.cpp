// SPDX-License-Identifier: Apache-2.0
#include "wsgix/base/end_reason.hpp"

namespace wsgix {

const char* to_string(EndReason reason) noexcept {
  switch (reason) {
    case EndReason::None: return "unexpected";
    case EndReason::Shutdown: return "shutdown";
    case EndReason::ScriptReload: return "script_reload";
    case EndReason::MaximumRequests: return "maximum_requests";
    case EndReason::StartupTimeout: return "startup_timeout";
    case EndReason::Replaced: return "replaced";
    case EndReason::RestartInterval: return "restart_interval";
    case EndReason::InactivityTimeout: return "inactivity_timeout";
    case EndReason::MemoryRecycle: return "memory_recycle";
    case EndReason::MemoryExceeded: return "memory_exceeded";
    case EndReason::CpuTimeLimit: return "cpu_time_limit";
    case EndReason::RequestTimeout: return "request_timeout";
    case EndReason::DeadlockTimeout: return "deadlock_timeout";
    case EndReason::Operator: return "operator";
    case EndReason::CannotLoad: return "cannot_load";
    case EndReason::OutOfMemory: return "out_of_memory";
  }
  return "unknown";  // the byte came from shared memory
}

}  // namespace wsgix

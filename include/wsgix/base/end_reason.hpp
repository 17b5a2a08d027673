// SPDX-License-Identifier: Apache-2.0
// base/end_reason.hpp: why a worker has to end, or ended.
#pragma once

#include <cstdint>

namespace wsgix {

/// The numbers stand in shared memory, which workers of another version may read.
enum class EndReason : std::uint32_t {
  None = 0,  ///< nobody asked for it: it crashed or exited
  Shutdown = 1,
  ScriptReload = 2,
  MaximumRequests = 3,
  StartupTimeout = 4,
  Replaced = 5,  ///< graceful or a new definition
  RestartInterval = 6,
  InactivityTimeout = 7,
  MemoryRecycle = 8,   ///< above the soft limit: replaced
  MemoryExceeded = 9,  ///< above the hard limit: ended at once
  CpuTimeLimit = 10,
  RequestTimeout = 11,   ///< a request did not come back
  DeadlockTimeout = 12,  ///< Python made no progress
  Operator = 13,         ///< a signal or a command
  CannotLoad = 14,       ///< a new version that failed to load; the old one stays
  OutOfMemory = 15,      ///< the kernel ended it for want of memory
};

/// As `wsgix ctl` and the log write it.
const char* to_string(EndReason reason) noexcept;

}  // namespace wsgix

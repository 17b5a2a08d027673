// SPDX-License-Identifier: Apache-2.0
// host/findings.hpp: what a worker did that may not go on as it is, as a line of the log.
#pragma once

#include "worker_watchdog.hpp"
#include "wsgix/base/log_sink.hpp"

namespace wsgix::host {

/// A worker that is only replaced in good order is information; anything else is an error.
void log_finding(LogSink& log, const config::DaemonSettings& daemon, pid_t pid,
                 const Finding& finding);

}  // namespace wsgix::host

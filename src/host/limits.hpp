// SPDX-License-Identifier: Apache-2.0
// host/limits.hpp: the limits that a group's settings put on its processes.
#pragma once

#include "wsgix/base/log_sink.hpp"
#include "wsgix/config/daemon_settings.hpp"

namespace wsgix::host {

/// cpu-priority= and room for descriptors: of the host and everything it starts. Before root is
/// given up: a priority below the inherited one needs it.
void apply_host_limits(const config::DaemonSettings& settings, LogSink& log);

/// cpu-time-limit=, memory-limit= and virtual-memory-limit=: right after the fork of a worker.
void apply_worker_limits(const config::DaemonSettings& settings, LogSink& log);

}  // namespace wsgix::host

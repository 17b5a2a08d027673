// SPDX-License-Identifier: Apache-2.0
// daemon/warm_up.hpp: the request that a new worker answers before it serves (warmup=).
#pragma once

#include "wsgix/base/log_sink.hpp"
#include "wsgix/config/daemon_settings.hpp"
#include "wsgix/runtime/abi.h"

namespace wsgix::daemon {

/// Asks the application of a script that has been loaded, on the calling thread. True when it
/// answered with less than 500, and when there is nothing to ask: no warmup=, or a script without
/// an application. What goes wrong is logged.
bool warm_up(const config::HostSettings& settings, const wsgix_runtime& runtime,
             const wsgix_script& script, LogSink& log);

}  // namespace wsgix::daemon

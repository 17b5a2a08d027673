// SPDX-License-Identifier: Apache-2.0
// daemon/warm_up.hpp: requests that a new worker answers before it serves (warmup=).
#pragma once

#include "session.hpp"
#include "wsgix/config/daemon_settings.hpp"

namespace wsgix::daemon {

/// Asks every application among the preloads, one after another, on the calling thread. What goes
/// wrong is logged. False: one that is reloaded as Rolling failed or answered with 5xx, so that an
/// older worker serves better.
bool warm_up(const config::HostSettings& settings, const Application& application, LogSink& log);

}  // namespace wsgix::daemon

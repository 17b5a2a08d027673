// SPDX-License-Identifier: Apache-2.0
// host/start_order.hpp: from a process that httpd started to one that belongs to its group.
#pragma once

#include "wsgix/base/log_sink.hpp"
#include "wsgix/config/daemon_settings.hpp"

namespace wsgix::host {

/// On an error the process must _exit(): it may hold more rights than it should.
Result<void> set_up_process(const config::HostSettings& settings, LogSink& log);

}  // namespace wsgix::host

// SPDX-License-Identifier: Apache-2.0
// daemon/service.hpp: the whole life of a process of a group with threads=0.
#pragma once

#include "wsgix/daemon/worker.hpp"

namespace wsgix::daemon {

/// Runs the scripts of the group one after another in Python's main thread, serves nobody, and
/// returns the exit code for _exit(2): 0 when every script came to its end.
int run_service(const WorkerPlace& place);

}  // namespace wsgix::daemon

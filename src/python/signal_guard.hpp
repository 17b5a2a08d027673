// SPDX-License-Identifier: Apache-2.0
// python/signal_guard.hpp: signals of the process are httpd's or the worker's, not the
// application's.
#pragma once

#include "wsgix/runtime/abi.h"

namespace wsgix::python {

/// In the current interpreter: signal.signal() does nothing but say so in the log, and returns the
/// handler it was given, so that libraries which register one work on. Without it the call would
/// raise ValueError in each thread but one, and in that one take the signals that end the process.
/// In processes that the application forks it works. `process` is borrowed for good. False with an
/// exception pending.
bool install_signal_guard(const wsgix_start& process);

}  // namespace wsgix::python

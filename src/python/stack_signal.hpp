// SPDX-License-Identifier: Apache-2.0
// python/stack_signal.hpp: a signal that writes the Python stacks although nobody gets the GIL.
#pragma once

#include "log_target.hpp"

namespace wsgix::python {

/// Needs the GIL of the main interpreter. That it cannot be had is an information in the log.
void register_stack_signal(int signal_number, int descriptor, const LogTarget& log);

}  // namespace wsgix::python

// SPDX-License-Identifier: Apache-2.0
// python/startup.hpp: initialises CPython the way a server needs it.
#pragma once

#include "wsgix/base/result.hpp"
#include "wsgix/runtime/abi.h"

namespace wsgix::python {

/// On success the calling thread is Python's main thread and holds the GIL. What would make
/// CPython end the process is looked for first and reported instead.
Result<void> initialize_python(const wsgix_start& start);

}  // namespace wsgix::python

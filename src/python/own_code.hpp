// SPDX-License-Identifier: Apache-2.0
// python/own_code.hpp: Python code of ours, for what the C API cannot say.
#pragma once

#include "ref.hpp"

namespace wsgix::python {

/// Runs it in a namespace of its own, which is what comes back: a dict. `name` stands for the file
/// in tracebacks. Null: an exception is pending.
Ref run_own_code(const char* source, const char* name);

}  // namespace wsgix::python

// SPDX-License-Identifier: Apache-2.0
// python/stacks.hpp: where threads are in Python code, for the log.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "exception.hpp"
#include "process.hpp"
#include "ref.hpp"

namespace wsgix::python {

/// sys._current_frames() of the current interpreter. Null leaves no exception pending.
Ref current_frames();
/// The frames of that thread, innermost first, at most `most` and one more; empty: it runs no
/// Python code. Leaves no exception pending.
std::vector<SourceLocation> stack_of(PyObject* frames, unsigned long thread, std::size_t most);

/// Lines for the thread that runs that request, or with 0 for every thread that runs one. Call it
/// without any GIL.
std::vector<std::string> stacks_of_requests(Process& process, std::uint64_t id);

}  // namespace wsgix::python

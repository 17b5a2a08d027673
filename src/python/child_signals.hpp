// SPDX-License-Identifier: Apache-2.0
// python/child_signals.hpp: processes that Python code starts in an httpd child have no signals
// blocked.
#pragma once

namespace wsgix::python {

/// In the current interpreter, for os.fork() and everything else of the standard library that
/// starts a process. Threaded MPMs block all signals in their threads, and both fork(2) and exec(2)
/// pass that on: the new process could not be ended with SIGTERM. The threads themselves keep their
/// masks, because httpd's handlers must not run in them. False with an exception pending.
bool let_children_get_signals();

}  // namespace wsgix::python

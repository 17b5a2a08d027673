// SPDX-License-Identifier: Apache-2.0
// python/thread_state.hpp: thread states that come and go while nobody forks.
//
// CPython keeps them in a list with a lock, which these calls take without the GIL. Up to 3.12
// os.fork() holds the GIL only: a copy that was made meanwhile would wait for that lock, inside
// CPython, for good (seen with 3.11, in _PyThreadState_DeleteExcept()). From 3.13 on os.fork()
// holds the lock itself (PyOS_BeforeFork()).
#pragma once

#include "python_api.hpp"

namespace wsgix::python {

/// As PyThreadState_New(); call it with or without a GIL.
PyThreadState* new_thread_state(PyInterpreterState* interpreter);

/// As PyThreadState_Delete(), of a cleared state that is not current.
void delete_thread_state(PyThreadState* state) noexcept;

}  // namespace wsgix::python

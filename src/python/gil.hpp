// SPDX-License-Identifier: Apache-2.0
// python/gil.hpp: the right to run Python on this thread, as a scope.
#pragma once

#include <cassert>

#include "python_api.hpp"

namespace wsgix::python {

/// While it lives, this thread may call into the interpreter that `thread` belongs to.
///
/// PyGILState_Ensure() is not used: it only ever finds the main interpreter.
///
/// Never construct one once stop() has begun. Up to 3.13 CPython ends such a thread with
/// pthread_exit(), whose forced unwind is std::terminate() in a noexcept frame. The caller of
/// stop() therefore joins or parks every thread before.
class [[nodiscard]] GilGuard {
 public:
  explicit GilGuard(PyThreadState& thread) noexcept : thread_(thread) {
    PyEval_RestoreThread(&thread_);
  }
  ~GilGuard() {
    [[maybe_unused]] const PyThreadState* left = PyEval_SaveThread();
    assert(left == &thread_ && "somebody swapped thread states inside the scope");
  }
  GilGuard(const GilGuard&) = delete;
  GilGuard& operator=(const GilGuard&) = delete;

 private:
  PyThreadState& thread_;
};

/// The inverse, around anything that can block: socket reads, file reads, locks.
class [[nodiscard]] GilRelease {
 public:
  GilRelease() noexcept : thread_(PyEval_SaveThread()) {}
  ~GilRelease() { PyEval_RestoreThread(thread_); }
  GilRelease(const GilRelease&) = delete;
  GilRelease& operator=(const GilRelease&) = delete;

 private:
  PyThreadState* thread_;
};

}  // namespace wsgix::python

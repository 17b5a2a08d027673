// SPDX-License-Identifier: Apache-2.0
// python/termination.hpp: SIGTERM and SIGINT end the Python code of the main thread.
#pragma once

#include <pthread.h>
#include <semaphore.h>

#include <atomic>
#include <csignal>

#include "interpreter.hpp"

namespace wsgix::python {

/// While it lives, the first of those signals raises SystemExit in this thread, which must be
/// Python's main thread; more of them are ignored, so that they do not cut the cleaning up. Made
/// and destroyed with the GIL of `interpreter`.
///
/// CPython runs signal handlers in the main interpreter only: signal.signal() refuses anything
/// else. A sub-interpreter gets the exception at its next step of Python code, from a thread of
/// ours; a blocking call is not interrupted there.
class TerminationRaises {
 public:
  explicit TerminationRaises(const Interpreter& interpreter);
  ~TerminationRaises();
  TerminationRaises(const TerminationRaises&) = delete;
  TerminationRaises& operator=(const TerminationRaises&) = delete;

  /// False: a Python exception is pending.
  bool is_ready() const noexcept { return is_ready_; }

 private:
  bool raise_by_python();
  bool raise_by_thread();
  static void* run(void* self);
  void raise_once_asked();

  const Interpreter& interpreter_;
  const unsigned long main_thread_;
  struct sigaction before_[2] = {};
  bool is_ready_ = false;

  // Of a sub-interpreter.
  bool has_thread_ = false;
  pthread_t thread_ = {};
  sem_t asked_ = {};
  std::atomic<bool> ends_ = false;
  std::atomic<bool> may_be_pending_ = false;
};

}  // namespace wsgix::python

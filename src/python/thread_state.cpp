// SPDX-License-Identifier: Apache-2.0
#include "thread_state.hpp"

#include <pthread.h>

#include <chrono>
#include <mutex>
#include <new>

namespace wsgix::python {
namespace {

constexpr int kForksWithTheLock = 13;

/// Longer than a state takes to be made. A fork never waits for good: should its thread hold what
/// whoever makes a state waits for, it goes on without the lock.
constexpr std::chrono::milliseconds kLongestWait{100};

/// Between births of states and forks. Never destroyed: threads may end after us.
class ForkLock {
 public:
  static ForkLock& the() {
    static ForkLock& lock = *new ForkLock;
    return lock;
  }

  std::timed_mutex& mutex() noexcept { return mutex_; }

 private:
  ForkLock() {
    // Without memory for it copies may hang, as they would without this lock.
    [[maybe_unused]] const int failure =
        ::pthread_atfork([] { the().before_fork(); }, [] { the().after_fork_in_parent(); },
                         [] { the().after_fork_in_copy(); });
  }

  void before_fork() { holds_it = mutex_.try_lock_for(kLongestWait); }
  void after_fork_in_parent() {
    if (holds_it) mutex_.unlock();
  }
  /// Whoever held it is not in the copy.
  void after_fork_in_copy() { ::new (&mutex_) std::timed_mutex; }

  static thread_local bool holds_it;  // the thread that forks

  std::timed_mutex mutex_;
};

thread_local bool ForkLock::holds_it = false;

std::unique_lock<std::timed_mutex> keep_forks_away() {
  static const bool is_needed = running_python_minor() < kForksWithTheLock;
  return is_needed ? std::unique_lock(ForkLock::the().mutex())
                   : std::unique_lock<std::timed_mutex>();
}

}  // namespace

PyThreadState* new_thread_state(PyInterpreterState* interpreter) {
  const auto lock = keep_forks_away();
  return PyThreadState_New(interpreter);
}

void delete_thread_state(PyThreadState* state) noexcept {
  const auto lock = keep_forks_away();
  PyThreadState_Delete(state);
}

}  // namespace wsgix::python

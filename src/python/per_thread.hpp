// SPDX-License-Identifier: Apache-2.0
// python/per_thread.hpp: what belongs to a thread and ends with it, but not with the process.
#pragma once

#include <pthread.h>

namespace wsgix::python {

/// Does not run at exit(), which is the reason for it. The destructor of a thread_local object
/// does, on the thread that calls exit(): in an MPM without threads that is a signal handler on top
/// of Python code. If the destructor waits for the GIL, or for a lock of the code below the
/// handler, the process never ends; nor does a forked copy, where the owner of the lock is missing.
class ThreadEnd {
 public:
  explicit ThreadEnd(void (*destroy)(void*)) noexcept
      : has_key_(::pthread_key_create(&key_, destroy) == 0) {}

  /// Without a key or memory for it the object stays until the process ends.
  void await(void* object) const noexcept {
    if (has_key_) ::pthread_setspecific(key_, object);
  }

 private:
  pthread_key_t key_ = {};
  bool has_key_;
};

/// The T of the calling thread. Made when it is first asked for, so a destructor that asks again
/// after the end of its own gets a new one, which ends in the next round of the C library.
template <typename T>
T& per_thread() {
  static constinit thread_local T* mine = nullptr;
  if (mine != nullptr) return *mine;
  static const ThreadEnd end([](void* object) {
    delete static_cast<T*>(object);
    mine = nullptr;
  });
  mine = new T();
  end.await(mine);
  return *mine;
}

}  // namespace wsgix::python

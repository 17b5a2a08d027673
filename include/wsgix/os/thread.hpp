// SPDX-License-Identifier: Apache-2.0
// os/thread.hpp: a thread whose stack size is chosen, which std::thread cannot.
#pragma once

#include <pthread.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>

#include "wsgix/base/clock.hpp"
#include "wsgix/base/result.hpp"

namespace wsgix::os {

/// Joined before it ends, always. The body must not throw: an exception ends the process.
class [[nodiscard]] Thread {
 public:
  static Result<Thread> start(std::size_t stack_bytes, std::function<void()> body);

  Thread(Thread&& other) noexcept;
  Thread& operator=(Thread&&) = delete;
  ~Thread() { join(); }
  void join() noexcept;

 private:
  Thread() = default;
  std::unique_ptr<std::function<void()>> body_;
  pthread_t id_{};
  bool joinable_ = false;
};

/// What the system calls the calling thread: gettid(2) on Linux.
std::uint32_t thread_number() noexcept;

}  // namespace wsgix::os

// SPDX-License-Identifier: Apache-2.0
#include "wsgix/os/thread.hpp"

#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "wsgix/base/scope_exit.hpp"

namespace wsgix::os {
namespace {

extern "C" void* run_body(void* body) noexcept {
  (*static_cast<std::function<void()>*>(body))();
  return nullptr;
}

}  // namespace

Result<Thread> Thread::start(std::size_t stack_bytes, std::function<void()> body) {
  pthread_attr_t attributes;
  if (const int os_errno = ::pthread_attr_init(&attributes); os_errno != 0) {
    return failed(ErrorCode::CannotStartTask, "prepare a thread", os_errno);
  }
  const ScopeExit destroy([&attributes]() noexcept { ::pthread_attr_destroy(&attributes); });
  if (const int os_errno = ::pthread_attr_setstacksize(&attributes, stack_bytes); os_errno != 0) {
    return failed(ErrorCode::CannotStartTask,
                  "a thread with a stack of " + std::to_string(stack_bytes) + " bytes", os_errno,
                  "correct stack-size=");
  }
  Thread thread;
  thread.body_ = std::make_unique<std::function<void()>>(std::move(body));
  const int os_errno = ::pthread_create(&thread.id_, &attributes, run_body, thread.body_.get());
  if (os_errno != 0) return failed(ErrorCode::CannotStartTask, "start a thread", os_errno);
  thread.joinable_ = true;
  return thread;
}

Thread::Thread(Thread&& other) noexcept
    : body_(std::move(other.body_)),
      id_(other.id_),
      joinable_(std::exchange(other.joinable_, false)) {}

void Thread::join() noexcept {
  if (std::exchange(joinable_, false)) ::pthread_join(id_, nullptr);
}

std::uint32_t thread_number() noexcept { return static_cast<std::uint32_t>(::syscall(SYS_gettid)); }

}  // namespace wsgix::os

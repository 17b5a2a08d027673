// SPDX-License-Identifier: Apache-2.0
#include "wsgix/os/signals.hpp"

#include <unistd.h>

#include <atomic>
#include <cerrno>

namespace wsgix::os {
namespace {

// A handler has no argument of its own; see src/README.md#globals.
std::atomic<int> write_end = -1;
std::atomic<pid_t> owner = 0;
static_assert(std::atomic<int>::is_always_lock_free);

extern "C" void forward_signal(int signal) noexcept {
  const int saved_errno = errno;
  if (::getpid() != owner.load(std::memory_order_relaxed)) {
    ::signal(signal, SIG_DFL);
    ::raise(signal);
  } else {
    const auto byte = static_cast<unsigned char>(signal);
    // A full pipe holds enough of them already.
    [[maybe_unused]] const ssize_t ignored =
        ::write(write_end.load(std::memory_order_relaxed), &byte, 1);
  }
  errno = saved_errno;
}

}  // namespace

Result<SignalPipe> SignalPipe::open(std::initializer_list<int> signals) {
  Result<Pipe> pipe = make_pipe();
  if (!pipe) return failed(pipe);
  write_end.store(pipe->write_end.get(), std::memory_order_relaxed);
  owner.store(::getpid(), std::memory_order_relaxed);

  struct sigaction action {};
  action.sa_handler = forward_signal;
  action.sa_flags = SA_RESTART;
  sigfillset(&action.sa_mask);
  for (const int signal : signals) {
    if (::sigaction(signal, &action, nullptr) != 0) {
      return failed(ErrorCode::SystemCallFailed,
                    "install a handler for signal " + std::to_string(signal), errno);
    }
  }
  return SignalPipe(std::move(*pipe));
}

SignalPipe::~SignalPipe() {
  int mine = pipe_.write_end.get();
  if (mine >= 0) write_end.compare_exchange_strong(mine, -1);
}

std::vector<int> SignalPipe::take() {
  std::vector<int> signals;
  unsigned char bytes[64];
  for (;;) {
    const ssize_t count = ::read(fd(), bytes, sizeof bytes);
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return signals;
    signals.insert(signals.end(), bytes, bytes + count);
  }
}

void reset_signals() noexcept {
  for (int signal = 1; signal < NSIG; ++signal) {
    // Refused for SIGKILL, SIGSTOP and those of the C library.
    ::signal(signal, signal == SIGPIPE ? SIG_IGN : SIG_DFL);
  }
  sigset_t none;
  sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
}

}  // namespace wsgix::os

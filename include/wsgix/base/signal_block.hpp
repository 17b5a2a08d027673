// SPDX-License-Identifier: Apache-2.0
// base/signal_block.hpp: owns a changed signal mask of the thread that makes it.
#pragma once

#include <signal.h>

#include <cstdint>

namespace wsgix {

/// Threads and processes that this thread starts meanwhile inherit the mask for good.
class [[nodiscard]] SignalBlock {
 public:
  enum class Of : std::uint8_t { All, None };

  explicit SignalBlock(Of signals = Of::All) noexcept {
    sigset_t blocked;
    signals == Of::All ? ::sigfillset(&blocked) : ::sigemptyset(&blocked);
    ::pthread_sigmask(SIG_SETMASK, &blocked, &before_);
  }
  ~SignalBlock() { ::pthread_sigmask(SIG_SETMASK, &before_, nullptr); }
  SignalBlock(const SignalBlock&) = delete;
  SignalBlock& operator=(const SignalBlock&) = delete;

 private:
  sigset_t before_;
};

}  // namespace wsgix

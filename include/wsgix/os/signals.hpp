// SPDX-License-Identifier: Apache-2.0
// os/signals.hpp: signals as bytes in a pipe, so that a poll loop sees them like anything else.
#pragma once

#include <csignal>
#include <initializer_list>
#include <vector>

#include "wsgix/base/result.hpp"
#include "wsgix/os/descriptors.hpp"

namespace wsgix::os {

/// One for each process at a time. The handlers stay installed when it ends. A process that the
/// application forks keeps them too: there they restore the default and raise the signal again,
/// so that such a child can be ended.
class SignalPipe {
 public:
  /// Installs the handlers; also replaces those of the process that forked this one.
  static Result<SignalPipe> open(std::initializer_list<int> signals);

  SignalPipe(SignalPipe&& other) noexcept = default;
  SignalPipe& operator=(SignalPipe&&) = delete;
  ~SignalPipe();

  int fd() const noexcept { return pipe_.read_end.get(); }
  /// Every signal since the last call, oldest first. Never waits.
  std::vector<int> take();

 private:
  explicit SignalPipe(Pipe pipe) noexcept : pipe_(std::move(pipe)) {}
  Pipe pipe_;
};

/// Python writes its stacks at this one, see runtime/abi.h. SIGRTMIN is no constant: the C library
/// keeps some for itself.
inline const int kStacksSignal = SIGRTMIN + 7;

/// Undoes what an exec'd program inherits: nothing blocked, nothing ignored but SIGPIPE, whose
/// callers look at errno instead.
void reset_signals() noexcept;

}  // namespace wsgix::os

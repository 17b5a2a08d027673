// SPDX-License-Identifier: Apache-2.0
// os/forked_copies.hpp: what a process loses that the application forks from this one.
//
// Knows descriptors and signals, not who serves what.
#pragma once

namespace wsgix::os {

enum class ExitHandlers {
  SkippedInCopies,  ///< exit() of a copy ends it at once: those of this process are not its own
  Left,             ///< for code that may be unloaded before the process ends
};

/// This process serves requests. From now on each process that is forked from it (but for
/// ForkOfOurs) is a copy: it closes all own_descriptors, and the signal handlers of the code that
/// is loaded now (not Python's, which comes later) are taken back. Other handlers and the mask stay
/// as the application has them. Call it before there are threads of the application.
void declare_original_process(ExitHandlers at_exit);

/// No fork() of this process happens while it lives: between the birth of a descriptor and its
/// owner. Short, and without waiting for anybody.
class [[nodiscard]] NoForkMeanwhile {
 public:
  NoForkMeanwhile() noexcept;
  ~NoForkMeanwhile();
  NoForkMeanwhile(const NoForkMeanwhile&) = delete;
  NoForkMeanwhile& operator=(const NoForkMeanwhile&) = delete;
};

/// What this thread forks while it lives is a program of ours, which inherits descriptors.
class [[nodiscard]] ForkOfOurs {
 public:
  ForkOfOurs() noexcept;
  ~ForkOfOurs();
  ForkOfOurs(const ForkOfOurs&) = delete;
  ForkOfOurs& operator=(const ForkOfOurs&) = delete;
};

/// Nothing of the process that it was copied from runs at its end.
[[noreturn]] void end_copy(int status) noexcept;

}  // namespace wsgix::os

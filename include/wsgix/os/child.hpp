// SPDX-License-Identifier: Apache-2.0
// os/child.hpp: child processes: made, ended, reaped, described.
#pragma once

#include <sys/types.h>

#include <optional>
#include <string>
#include <utility>

#include "wsgix/base/result.hpp"

namespace wsgix::os {

/// A pid that has not been reaped yet, so that it cannot mean another process. When it goes out
/// of scope the process is killed and reaped: nobody would do it later.
class [[nodiscard]] Child {
 public:
  Child() noexcept = default;
  explicit Child(pid_t pid) noexcept : pid_(pid) {}
  Child(Child&& other) noexcept : pid_(std::exchange(other.pid_, 0)) {}
  Child& operator=(Child&& other) noexcept {
    Child(std::move(other)).swap(*this);
    return *this;
  }
  ~Child();

  pid_t pid() const noexcept { return pid_; }
  /// False when there is no such process any more.
  bool signal(int signal) const noexcept;
  /// The wait status once it has ended; afterwards the object is empty. Never waits.
  std::optional<int> reap() noexcept;
  /// Gives the pid up without touching the process.
  pid_t release() noexcept { return std::exchange(pid_, 0); }
  void swap(Child& other) noexcept { std::swap(pid_, other.pid_); }

 private:
  pid_t pid_ = 0;
};

/// fork(2). In the child the result is an empty Child.
Result<Child> fork_child();

/// False only when there is no such process, not even one that waits to be reaped.
bool process_exists(pid_t pid) noexcept;

/// "was killed by signal 9 (SIGKILL)", "exited with code 3".
std::string describe_end(int wait_status);

/// Sends `signal` to this process when the thread that started it ends. Changing ids clears it.
Result<void> ask_for_parent_death_signal(int signal);

/// Descendants whose parents end become children of this process, and not of init.
Result<void> become_subreaper();

/// A child that has ended and is not reaped yet, or 0. Never waits.
pid_t ended_child() noexcept;
/// Reaps that child if it has ended. Never waits.
void reap_child(pid_t pid) noexcept;
/// Living or not yet reaped.
bool has_children() noexcept;

/// Lets the process be debugged and dump core like any other of its account. The kernel forbids
/// both after a change of user. Not for one that keeps something from the account: its descriptors
/// can be taken by whoever may debug it.
void allow_core_dumps() noexcept;

}  // namespace wsgix::os

// SPDX-License-Identifier: Apache-2.0
#include "wsgix/os/child.hpp"

#include <fmt/format.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstring>

namespace wsgix::os {

Child::~Child() {
  if (pid_ <= 0) return;
  ::kill(pid_, SIGKILL);
  while (::waitpid(pid_, nullptr, 0) < 0 && errno == EINTR) {
  }
}

bool Child::signal(int signal) const noexcept { return pid_ > 0 && ::kill(pid_, signal) == 0; }

std::optional<int> Child::reap() noexcept {
  if (pid_ <= 0) return std::nullopt;
  int status = 0;
  const pid_t ended = ::waitpid(pid_, &status, WNOHANG);
  if (ended != pid_) return std::nullopt;
  pid_ = 0;
  return status;
}

Result<Child> fork_child() {
  const pid_t pid = ::fork();
  if (pid < 0) return failed(ErrorCode::CannotStartTask, "fork", errno);
  return Child(pid);
}

bool process_exists(pid_t pid) noexcept {
  return pid > 0 && (::kill(pid, 0) == 0 || errno != ESRCH);
}

std::string describe_end(int wait_status) {
  if (WIFSIGNALED(wait_status)) {
    const int signal = WTERMSIG(wait_status);
    const char* const name = ::sigabbrev_np(signal);
    return fmt::format("was killed by signal {} (SIG{}){}", signal, name != nullptr ? name : "RT",
                       WCOREDUMP(wait_status) ? ", core dumped" : "");
  }
  return fmt::format("exited with code {}", WEXITSTATUS(wait_status));
}

Result<void> ask_for_parent_death_signal(int signal) {
  if (::prctl(PR_SET_PDEATHSIG, signal) != 0) {
    return failed(ErrorCode::SystemCallFailed, "ask for a parent-death signal", errno);
  }
  return {};
}

Result<void> become_subreaper() {
  if (::prctl(PR_SET_CHILD_SUBREAPER, 1) != 0) {
    return failed(ErrorCode::SystemCallFailed, "become a subreaper", errno);
  }
  return {};
}

pid_t ended_child() noexcept {
  siginfo_t child{};
  // WNOWAIT: whoever knows the pid reaps it, and until then it is no other process's.
  if (::waitid(P_ALL, 0, &child, WEXITED | WNOHANG | WNOWAIT) != 0) return 0;
  return child.si_pid;
}

void reap_child(pid_t pid) noexcept { ::waitpid(pid, nullptr, WNOHANG); }

bool has_children() noexcept {
  siginfo_t child{};
  return ::waitid(P_ALL, 0, &child, WEXITED | WNOHANG | WNOWAIT) == 0;
}

void allow_core_dumps() noexcept { ::prctl(PR_SET_DUMPABLE, 1); }

}  // namespace wsgix::os

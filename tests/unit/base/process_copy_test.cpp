// SPDX-License-Identifier: Apache-2.0
#include "wsgix/base/process_copy.hpp"

#include <gtest/gtest.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>

namespace wsgix {
namespace {

int exit_code_of(pid_t child) {
  int status = 0;
  ::waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

/// True when `test` holds in a process that was declared. The test program itself never is: other
/// tests fork for reasons of their own.
bool holds_in_original(bool (*test)()) {
  const pid_t server = ::fork();
  if (server == 0) {
    if (this_process_is_a_copy()) ::_exit(1);
    declare_original_process();
    ::_exit(!this_process_is_a_copy() && test() ? 0 : 1);
  }
  return exit_code_of(server) == 0;
}

TEST(ProcessCopy, AForkIsACopyAndSoIsAForkOfIt) {
  EXPECT_TRUE(holds_in_original([] {
    const pid_t child = ::fork();
    if (child == 0) {
      if (!this_process_is_a_copy()) ::_exit(1);
      const pid_t grandchild = ::fork();
      if (grandchild == 0) ::_exit(this_process_is_a_copy() ? 3 : 1);
      ::_exit(exit_code_of(grandchild));
    }
    return exit_code_of(child) == 3 && !this_process_is_a_copy();
  }));
}

TEST(ProcessCopy, ARawCloneThatRunsNoHandlerIsACopyToo) {
  EXPECT_TRUE(holds_in_original([] {
    const auto child = static_cast<pid_t>(::syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0));
    if (child == 0) ::_exit(this_process_is_a_copy() ? 3 : 1);
    return exit_code_of(child) == 3;
  }));
}

TEST(ProcessCopy, ACopyMayBecomeAnOriginal) {
  EXPECT_TRUE(holds_in_original([] {
    const pid_t child = ::fork();
    if (child == 0) {
      declare_original_process();
      ::_exit(this_process_is_a_copy() ? 1 : 3);
    }
    return exit_code_of(child) == 3;
  }));
}

}  // namespace
}  // namespace wsgix

// SPDX-License-Identifier: Apache-2.0
#include "wsgix/os/descendants.hpp"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <functional>

#include "wsgix/os/child.hpp"

namespace wsgix::os {
namespace {

/// Runs it in a process of its own: a subreaper stays one. Its result is the exit code.
int in_a_process(const std::function<int()>& run) {
  auto child = fork_child();
  if (child->pid() == 0) ::_exit(become_subreaper() ? run() : 99);
  int status = 0;
  ::waitpid(child->release(), &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 98;
}

/// A process that has left its session and its parent; returns when it has.
void daemonise(bool hears_sigterm) {
  int ready[2];
  if (::pipe(ready) != 0) ::_exit(97);
  const pid_t between = ::fork();
  if (between == 0) {
    ::setsid();
    if (::fork() != 0) ::_exit(0);
    ::signal(SIGTERM, hears_sigterm ? SIG_DFL : SIG_IGN);
    [[maybe_unused]] const ssize_t written = ::write(ready[1], "x", 1);
    for (;;) ::pause();
  }
  char byte = 0;
  [[maybe_unused]] const ssize_t count = ::read(ready[0], &byte, 1);
  ::waitpid(between, nullptr, 0);
}

int end_two_daemons() {
  daemonise(true);
  daemonise(false);
  const auto ended = end_descendants(milliseconds(100), seconds(10), [] {});
  return has_children() ? 90 : static_cast<int>(ended.size());
}

TEST(Descendants, EndEvenWhenTheyHaveLeftAndDoNotHear) {
  EXPECT_EQ(in_a_process(end_two_daemons), 2);
}

TEST(Descendants, AreFoundWithoutProc) {
  if (::geteuid() != 0) GTEST_SKIP() << "only root can enter a jail";
  char jail[] = "/tmp/wsgix-jail-XXXXXX";
  ASSERT_NE(::mkdtemp(jail), nullptr);

  const int ended = in_a_process(
      [&] { return ::chroot(jail) == 0 && ::chdir("/") == 0 ? end_two_daemons() : 96; });

  ::rmdir(jail);
  EXPECT_EQ(ended, 2);
}

TEST(Descendants, NobodyIsNobody) {
  EXPECT_EQ(in_a_process([] {
              return static_cast<int>(end_descendants(seconds(5), seconds(5), [] {}).size());
            }),
            0);
}

}  // namespace
}  // namespace wsgix::os

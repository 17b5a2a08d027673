// SPDX-License-Identifier: Apache-2.0
#include "wsgix/os/memory.hpp"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

namespace wsgix::os {
namespace {

TEST(ResidentBytes, AreThoseOfTheProcess) {
  const auto mine = resident_bytes(::getpid());

  ASSERT_TRUE(mine);
  EXPECT_GT(*mine, 1'000'000);
  EXPECT_EQ(resident_bytes(1 << 30), std::nullopt);
}

TEST(IsStopped, TellsAStoppedProcessFromARunningOne) {
  const pid_t child = ::fork();
  if (child == 0) {
    for (;;) ::pause();
  }
  EXPECT_FALSE(is_stopped(child));
  ::kill(child, SIGSTOP);
  int status = 0;
  ::waitpid(child, &status, WUNTRACED);

  EXPECT_TRUE(is_stopped(child));

  ::kill(child, SIGKILL);
  ::waitpid(child, &status, 0);
  EXPECT_FALSE(is_stopped(child));
}

TEST(CounterIn, FindsTheWholeName) {
  const char* const events = "low 0\noom 3\noom_kill 2\noom_group_kill 0\n";

  EXPECT_EQ(counter_in(events, "oom_kill"), 2);
  EXPECT_EQ(counter_in(events, "oom"), 3);
  EXPECT_EQ(counter_in(events, "kill"), std::nullopt);
  EXPECT_EQ(counter_in("oom_kill", "oom_kill"), std::nullopt);
}

TEST(OutOfMemoryCounter, FollowsEitherKindOfControlGroup) {
  EXPECT_EQ(out_of_memory_counter("0::/system.slice/apache2.service\n"),
            "/sys/fs/cgroup/system.slice/apache2.service/memory.events");
  EXPECT_EQ(out_of_memory_counter("5:cpu,cpuacct:/a\n4:memory:/b\n0::/c\n"),
            "/sys/fs/cgroup/memory/b/memory.oom_control");
  EXPECT_EQ(out_of_memory_counter("nonsense"), "");
}

TEST(OutOfMemoryKills, AreCountedHere) {
  const auto kills = out_of_memory_kills();
  if (!kills) GTEST_SKIP() << "this kernel does not say";

  EXPECT_GE(*kills, 0);
}

}  // namespace
}  // namespace wsgix::os

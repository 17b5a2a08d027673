// SPDX-License-Identifier: Apache-2.0
#include "wsgix/os/limits.hpp"

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>

namespace wsgix::os {
namespace {

/// In a child: what is lowered here never comes back.
template <typename Body>
bool holds_in_a_child(Body body) {
  const pid_t pid = ::fork();
  if (pid == 0) ::_exit(body() ? 0 : 1);
  int status = 0;
  ::waitpid(pid, &status, 0);
  return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

TEST(Limits, SetsBothLimitsOfTheRightResource) {
  EXPECT_TRUE(holds_in_a_child([] {
    rlimit now{};
    return set_limit(Resource::CpuSeconds, 7, 13) && ::getrlimit(RLIMIT_CPU, &now) == 0 &&
           now.rlim_cur == 7 && now.rlim_max == 13;
  }));
  EXPECT_TRUE(holds_in_a_child([] {
    rlimit now{};
    return set_limit(Resource::AddressSpace, 1 << 30, 1 << 30) &&
           ::getrlimit(RLIMIT_AS, &now) == 0 && now.rlim_cur == 1 << 30;
  }));
  EXPECT_TRUE(holds_in_a_child([] {
    rlimit now{};
    return set_limit(Resource::DataBytes, 1 << 29, 1 << 29) &&
           ::getrlimit(RLIMIT_DATA, &now) == 0 && now.rlim_max == 1 << 29;
  }));
}

TEST(Limits, SaysWhyALimitIsRefused) {
  const auto refused = set_limit(Resource::CpuSeconds, 13, 7);

  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().os_errno, EINVAL);
}

TEST(Limits, RaisesTheSoftDescriptorLimitButNeverLowersIt) {
  EXPECT_TRUE(holds_in_a_child([] {
    rlimit now{};
    if (!set_limit(Resource::OpenDescriptors, 64, 512)) return false;
    if (!raise_descriptor_limit(256) || ::getrlimit(RLIMIT_NOFILE, &now) != 0) return false;
    if (now.rlim_cur != 256 || now.rlim_max != 512) return false;
    if (!raise_descriptor_limit(100) || ::getrlimit(RLIMIT_NOFILE, &now) != 0) return false;
    if (now.rlim_cur != 256) return false;
    return raise_descriptor_limit(100'000) && ::getrlimit(RLIMIT_NOFILE, &now) == 0 &&
           now.rlim_cur == 512;
  }));
}

TEST(Limits, SetsThePriority) {
  EXPECT_TRUE(
      holds_in_a_child([] { return set_priority(19) && ::getpriority(PRIO_PROCESS, 0) == 19; }));
}

}  // namespace
}  // namespace wsgix::os

// SPDX-License-Identifier: Apache-2.0
#include "wsgix/supervisor/restart_policy.hpp"

#include <gtest/gtest.h>

namespace wsgix::supervisor {
namespace {

TEST(RestartPolicy, WaitsLongerAfterEachFailureUpToHalfAMinute) {
  RestartPolicy policy;
  for (const int expected : {0, 250, 500, 1000, 2000, 4000, 8000, 16000, 30000, 30000, 30000}) {
    EXPECT_EQ(policy.delay_after_end(RestartPolicy::Came::NeverUp, seconds(60)),
              milliseconds(expected));
  }
}

TEST(RestartPolicy, CountsAWorkerThatWasReadyButShort) {
  RestartPolicy policy;
  policy.delay_after_end(RestartPolicy::Came::Up, seconds(1));

  EXPECT_EQ(
      policy.delay_after_end(RestartPolicy::Came::Up, RestartPolicy::kLongEnough - milliseconds(1)),
      milliseconds(250));
}

TEST(RestartPolicy, GoesOnFromACountThatWasKept) {
  RestartPolicy first;
  for (int i = 0; i < 3; ++i) first.delay_after_end(RestartPolicy::Came::NeverUp, seconds(0));

  EXPECT_EQ(RestartPolicy(first.failures_in_a_row())
                .delay_after_end(RestartPolicy::Came::NeverUp, seconds(1)),
            milliseconds(1000));
}

TEST(RestartPolicy, WaitsASecondAtMostAfterOneThatWasReady) {
  RestartPolicy policy;
  for (const int expected : {0, 250, 500, 1000, 1000, 1000, 1000, 1000, 1000, 1000, 1000}) {
    EXPECT_EQ(policy.delay_after_end(RestartPolicy::Came::Up, seconds(0)), milliseconds(expected));
  }
  EXPECT_EQ(policy.failures_in_a_row(), 0);
}

TEST(RestartPolicy, TakesTheFirstReadyOneForTheEndOfFailedStarts) {
  RestartPolicy policy;
  for (int i = 0; i < 9; ++i) policy.delay_after_end(RestartPolicy::Came::NeverUp, seconds(0));
  policy.delay_after_end(RestartPolicy::Came::Up, seconds(0));

  EXPECT_EQ(policy.failures_in_a_row(), 0);
  EXPECT_EQ(policy.delay_after_end(RestartPolicy::Came::NeverUp, seconds(0)), milliseconds(0));
}

TEST(RestartPolicy, ForgivesOnceAWorkerLivedLongEnough) {
  RestartPolicy policy;
  for (int i = 0; i < 5; ++i) policy.delay_after_end(RestartPolicy::Came::NeverUp, seconds(0));

  EXPECT_EQ(policy.delay_after_end(RestartPolicy::Came::Up, RestartPolicy::kLongEnough),
            milliseconds(0));
  EXPECT_EQ(policy.failures_in_a_row(), 0);
  EXPECT_EQ(policy.delay_after_end(RestartPolicy::Came::NeverUp, seconds(0)), milliseconds(0));
}

TEST(RestartPolicy, HardlyWaitsAfterOneThatServed) {
  RestartPolicy policy;
  EXPECT_EQ(policy.delay_after_end(RestartPolicy::Came::ToServe, seconds(1)), milliseconds(0));
  for (int i = 0; i < 20; ++i) {
    EXPECT_EQ(policy.delay_after_end(RestartPolicy::Came::ToServe, seconds(1)), milliseconds(250));
  }
}

}  // namespace
}  // namespace wsgix::supervisor

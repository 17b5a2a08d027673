// SPDX-License-Identifier: Apache-2.0
#include "cli/progress.hpp"

#include <gtest/gtest.h>

namespace wsgix::cli {
namespace {

using wire::GroupStatus;

GroupStatus group(std::initializer_list<std::pair<std::uint32_t, const char*>> workers) {
  GroupStatus status;
  status.processes = 2;
  for (const auto& [pid, state] : workers) status.workers.push_back({.pid = pid, .state = state});
  return status;
}

TEST(Progress, AGroupIsReloadedWhenNoOldWorkerServesAndEnoughNewOnesDo) {
  const GroupStatus before = group({{1, "ready"}, {2, "ready"}});

  EXPECT_FALSE(is_reloaded(before, before));
  EXPECT_FALSE(is_reloaded(before, group({{1, "draining"}, {2, "ready"}, {3, "ready"}})));
  EXPECT_FALSE(is_reloaded(before, group({{3, "ready"}, {4, "starting"}})));
  EXPECT_TRUE(is_reloaded(before, group({{2, "draining"}, {3, "ready"}, {4, "ready"}})));
}

TEST(Progress, AWorkerThatWasStartingIsOldToo) {
  const GroupStatus before = group({{1, "ready"}, {2, "starting"}});

  EXPECT_FALSE(is_reloaded(before, group({{2, "ready"}, {3, "ready"}})));
}

TEST(Progress, ADrainedGroupHasNoWorker) {
  EXPECT_FALSE(is_drained(group({{1, "draining"}})));
  EXPECT_TRUE(is_drained(group({})));
}

TEST(Patience, EndsSoonWhenNothingChanges) {
  const Deadline start{};
  Patience patience(start);
  const GroupStatus still = group({{1, "ready"}});

  EXPECT_FALSE(patience.is_over(still, start));
  EXPECT_FALSE(patience.is_over(still, start + seconds(59)));
  EXPECT_TRUE(patience.is_over(still, start + seconds(60)));
}

TEST(Patience, EndsWhateverTheAnswersSay) {
  const Deadline start{};
  Patience patience(start);
  for (std::uint32_t second = 0; second < 600; ++second) {
    ASSERT_FALSE(patience.is_over(group({{second, "starting"}}), start + seconds(second)));
  }
  EXPECT_TRUE(patience.is_over(group({{1, "starting"}}), start + Patience::kLongest));
}

TEST(Progress, SaysWhatItWaitsFor) {
  EXPECT_EQ(what_is_awaited(group({{7, "ready"}, {8, "start\ning"}})),
            "1 of 2 workers are ready; there is 7 (ready, 0 requests running), 8 (start?ing, 0 "
            "requests running)");
}

class FailedStart : public testing::Test {
 protected:
  FailedStart() { before_.deaths_so_far = 5; }

  std::string after(std::uint32_t number, std::uint32_t pid, const char* reason) const {
    GroupStatus now = before_;
    now.deaths_so_far = number;
    now.deaths = {{number, pid, "exited with code 1", reason, 0}};
    return failed_start(before_, now);
  }

  GroupStatus before_ = group({{1, "ready"}, {2, "ready"}});
};

TEST_F(FailedStart, IsTheEndOfANewWorkerThatNobodyAskedFor) {
  EXPECT_EQ(after(6, 3, "unexpected"), "its new worker 3 exited with code 1 (unexpected)");
  EXPECT_NE(after(6, 3, "cannot_load"), "");
  EXPECT_NE(after(6, 3, "startup_timeout"), "");
}

TEST_F(FailedStart, IsNotAnEndThatWasAskedFor) {
  EXPECT_EQ(after(6, 3, "replaced"), "");
  EXPECT_EQ(after(6, 3, "maximum_requests"), "");
}

TEST_F(FailedStart, IsNotTheEndOfAnOldWorker) {
  EXPECT_EQ(after(6, 1, "unexpected"), "");
  EXPECT_EQ(after(5, 3, "unexpected"), "") << "it had ended before";
}

TEST_F(FailedStart, IsSeenWhenNoProcessCouldBeMade) {
  GroupStatus now = before_;
  now.failures_in_a_row = 1;
  EXPECT_EQ(failed_start(before_, now), "a new worker did not start");
}

TEST_F(FailedStart, CountsOnWhenTheNumbersBeginAgain) {
  before_.deaths_so_far = 0xffffffffu;
  EXPECT_NE(after(0, 3, "unexpected"), "");
}

}  // namespace
}  // namespace wsgix::cli

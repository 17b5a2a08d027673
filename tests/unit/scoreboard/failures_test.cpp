// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "wsgix/scoreboard/scoreboard.hpp"
#include "wsgix/scoreboard/scripts.hpp"

namespace wsgix::scoreboard {
namespace {

class Failures : public testing::Test {
 protected:
  UniqueFd fd_ = *create();
  Mapping board_ = *map(fd_.get());
};

TEST_F(Failures, CountEachOnItsOwn) {
  EXPECT_EQ(count_failure(*board_, 7), 0u);
  EXPECT_EQ(count_failure(*board_, 8), 0u);
  EXPECT_EQ(count_failure(*board_, 7), 1u);
  EXPECT_EQ(count_failure(*board_, 7), 2u);
  EXPECT_EQ(count_failure(*board_, 8), 1u);
}

TEST_F(Failures, AreNewsAgainInTheNextGeneration) {
  count_failure(*board_, 7);

  board_->generation.fetch_add(1);

  EXPECT_EQ(count_failure(*board_, 7), 0u);
}

TEST_F(Failures, GiveWayToLaterOnesWhenThereAreTooMany) {
  for (std::uint64_t failure = 0; failure <= kFailureSlots; ++failure) {
    EXPECT_EQ(count_failure(*board_, failure), 0u) << failure;
  }

  EXPECT_EQ(count_failure(*board_, kFailureSlots), 1u);
  EXPECT_EQ(count_failure(*board_, 1), 1u);
  EXPECT_EQ(count_failure(*board_, 0), 0u);
}

}  // namespace
}  // namespace wsgix::scoreboard

// SPDX-License-Identifier: Apache-2.0
#include "wsgix/scoreboard/waiting.hpp"

#include <gtest/gtest.h>

namespace wsgix::scoreboard {
namespace {

TEST(Turn, IsEverybodysWhileNobodyHasWaitedLong) {
  for (const std::vector<std::int64_t>& since :
       {std::vector<std::int64_t>{}, {1000}, {1200, 1000, 1100}}) {
    const Turn turn = turn_of(since, 1, 1000);
    EXPECT_FALSE(turn.somebody_waits_long);
    EXPECT_EQ(turn.last_us, kEverybodysTurn);
  }
}

TEST(Turn, IsThatOfTheOldestOnceOneHasWaitedLong) {
  const Turn turn = turn_of({1300, 900, 1200, 1100}, 2, 1000);

  EXPECT_TRUE(turn.somebody_waits_long);
  EXPECT_EQ(turn.last_us, 1100);
}

TEST(Turn, IsEverybodysWhereAllFit) {
  const Turn turn = turn_of({1300, 900}, 2, 1000);

  EXPECT_TRUE(turn.somebody_waits_long);
  EXPECT_EQ(turn.last_us, kEverybodysTurn);
}

TEST(Turn, IsTheOldestOnesWithoutABacklog) {
  EXPECT_EQ(turn_of({1300, 900, 1100}, 0, 1000).last_us, 900);
}

}  // namespace
}  // namespace wsgix::scoreboard

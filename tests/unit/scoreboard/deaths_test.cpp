// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "wsgix/scoreboard/scoreboard.hpp"

namespace wsgix::scoreboard {
namespace {

TEST(RecentDeaths, AreTheNewestFirstAndAsManyAsAskedFor) {
  const UniqueFd memory = std::move(*create());
  const Mapping board = std::move(*map(memory.get()));
  EXPECT_TRUE(recent_deaths(*board, 3).empty());
  const std::int64_t before = now_us();
  for (std::uint32_t pid = 101; pid <= 101 + kDeathSlots; ++pid) {
    record_death(*board, pid, static_cast<std::int32_t>(pid), EndReason::Operator);
  }

  const auto deaths = recent_deaths(*board, 2);

  ASSERT_EQ(deaths.size(), 2u);
  EXPECT_EQ(deaths[0].pid, 101 + kDeathSlots);
  EXPECT_EQ(deaths[0].number, kDeathSlots + 1);
  EXPECT_EQ(deaths[0].reason, EndReason::Operator);
  EXPECT_GE(deaths[0].at_us, before);
  EXPECT_EQ(deaths[1].pid, 100 + kDeathSlots);
  EXPECT_EQ(recent_deaths(*board, 1000).size(), kDeathSlots);
}

TEST(RecentDeaths, SurviveACounterThatBeginsAgain) {
  const UniqueFd memory = std::move(*create());
  const Mapping board = std::move(*map(memory.get()));
  board->next_death.store(0xffffffffu);
  record_death(*board, 7, 0, EndReason::None);
  record_death(*board, 8, 0, EndReason::None);

  const auto deaths = recent_deaths(*board, 16);

  ASSERT_FALSE(deaths.empty());
  EXPECT_EQ(deaths[0].pid, 8u);
}

}  // namespace
}  // namespace wsgix::scoreboard

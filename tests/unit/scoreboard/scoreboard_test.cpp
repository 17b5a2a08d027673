// SPDX-License-Identifier: Apache-2.0
#include "wsgix/scoreboard/scoreboard.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

namespace wsgix::scoreboard {
namespace {

struct Shared {
  UniqueFd fd = std::move(*create());
  Mapping board = std::move(*map(fd.get()));
};

TEST(Scoreboard, IsOneMemoryForEverybodyWhoMapsIt) {
  Shared first;
  const auto second = map(first.fd.get());
  ASSERT_TRUE(second);

  first.board->workers[7].busy = 3;

  EXPECT_EQ((**second).workers[7].busy, 3u);
}

TEST(Scoreboard, CannotBeShrunkUnderItsReaders) {
  Shared shared;
  EXPECT_NE(::ftruncate(shared.fd.get(), 0), 0);
}

TEST(Scoreboard, RefusesMemoryOfAnotherSize) {
  UniqueFd other(::open("/dev/null", O_RDWR | O_CLOEXEC));
  EXPECT_FALSE(map(other.get()));
}

TEST(Deaths, AreFoundByProcess) {
  Shared shared;
  record_death(*shared.board, 100, 9, EndReason::None);

  const auto death = find_death(*shared.board, 100);

  ASSERT_TRUE(death);
  EXPECT_EQ(death->wait_status, 9);
  EXPECT_FALSE(find_death(*shared.board, 101));
  EXPECT_FALSE(find_death(*shared.board, 0)) << "an empty slot is nobody's death";
}

TEST(Deaths, OfAReusedNumberMeanTheLastOne) {
  Shared shared;
  record_death(*shared.board, 100, 9, EndReason::None);
  record_death(*shared.board, 100, 11, EndReason::ScriptReload);

  EXPECT_EQ(find_death(*shared.board, 100)->wait_status, 11);
}

TEST(Deaths, ForgetTheOldestFirst) {
  Shared shared;
  for (std::uint32_t pid = 1; pid <= kDeathSlots + 1; ++pid) {
    record_death(*shared.board, pid, 0, EndReason::None);
  }

  EXPECT_FALSE(find_death(*shared.board, 1));
  EXPECT_TRUE(find_death(*shared.board, 2));
}

}  // namespace
}  // namespace wsgix::scoreboard

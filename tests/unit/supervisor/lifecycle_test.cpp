// SPDX-License-Identifier: Apache-2.0
#include "wsgix/supervisor/lifecycle.hpp"

#include <gtest/gtest.h>

namespace wsgix::supervisor {
namespace {

constexpr State kStates[] = {State::Starting, State::Ready, State::Draining, State::Killed};
constexpr Event kEvents[] = {Event::SaidReady, Event::AskedToRetire, Event::KillDecided};

TEST(Lifecycle, NobodyComesBack) {
  for (const State state : kStates) {
    for (const Event event : kEvents) {
      const auto to = next(state, event);
      EXPECT_TRUE(!to || *to >= state) << to_string(state) << " to " << to_string(*to);
    }
  }
}

TEST(Lifecycle, EveryWorkerCanBeKilled) {
  for (const State state : kStates) {
    EXPECT_EQ(next(state, Event::KillDecided), State::Killed) << to_string(state);
  }
}

TEST(Lifecycle, WhoeverIsAskedToRetireTakesNoMoreRequests) {
  for (const State state : kStates) {
    const auto asked = next(state, Event::AskedToRetire);
    ASSERT_TRUE(asked) << to_string(state);
    EXPECT_GE(*asked, State::Draining) << to_string(state);
    EXPECT_EQ(next(*asked, Event::SaidReady), asked) << to_string(state);
  }
}

TEST(Lifecycle, RefusesWhatCannotHappen) {
  for (const State state : kStates) {
    for (const Event event : kEvents) {
      const bool says_it_twice = state == State::Ready && event == Event::SaidReady;
      EXPECT_EQ(next(state, event).has_value(), !says_it_twice) << to_string(state);
    }
  }
}

TEST(Lifecycle, NamesEveryState) {
  for (const State state : kStates) EXPECT_NE(to_string(state), "corrupt");
}

}  // namespace
}  // namespace wsgix::supervisor

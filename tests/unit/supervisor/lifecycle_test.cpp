// SPDX-License-Identifier: Apache-2.0
#include "wsgix/supervisor/lifecycle.hpp"

#include <gtest/gtest.h>

namespace wsgix::supervisor {
namespace {

constexpr State kStates[] = {State::Starting, State::Ready, State::Draining, State::Killed,
                             State::Gone};
constexpr Event kEvents[] = {Event::SaidReady, Event::AskedToRetire, Event::DeadlinePassed,
                             Event::ProcessExited};

TEST(Lifecycle, EveryLivingWorkerCanEnd) {
  for (const State state : kStates) {
    if (state == State::Gone) continue;
    EXPECT_EQ(next(state, Event::ProcessExited), State::Gone) << to_string(state);
  }
}

TEST(Lifecycle, NobodyComesBack) {
  for (const State state : {State::Draining, State::Killed, State::Gone}) {
    for (const Event event : kEvents) {
      const auto to = next(state, event);
      EXPECT_TRUE(!to || *to >= state) << to_string(state) << " to " << to_string(*to);
    }
  }
}

TEST(Lifecycle, RepeatingAnOrderOrADeadlineReachesTheKill) {
  for (State state : {State::Starting, State::Ready, State::Draining}) {
    for (int i = 0; i < 3; ++i) state = next(state, Event::DeadlinePassed).value();
    EXPECT_EQ(state, State::Killed);
  }
}

TEST(Lifecycle, RefusesWhatCannotHappen) {
  EXPECT_EQ(next(State::Ready, Event::SaidReady), std::nullopt);
  EXPECT_EQ(next(State::Gone, Event::SaidReady), std::nullopt);
  EXPECT_EQ(next(State::Gone, Event::ProcessExited), std::nullopt);
}

TEST(Lifecycle, NamesEveryState) {
  for (const State state : kStates) EXPECT_NE(to_string(state), "corrupt");
}

}  // namespace
}  // namespace wsgix::supervisor

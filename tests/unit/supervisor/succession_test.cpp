// SPDX-License-Identifier: Apache-2.0
// Every event in every state, and what has to hold of it.
#include "wsgix/supervisor/succession.hpp"

#include <gtest/gtest.h>

#include <functional>
#include <string>

namespace wsgix::supervisor {
namespace {

using State = Succession::State;
using Event = Succession::Event;

constexpr Event kEvents[] = {Event::PredecessorEnded, Event::AllReady, Event::Overtaken,
                             Event::OvertakenAtWork, Event::AskedToEnd};

Succession in(State state) {
  Succession host(state == State::Waiting);
  if (state == State::Serving) host.on_event(Event::AllReady);
  if (state == State::Retiring) host.on_event(Event::AskedToEnd);
  EXPECT_EQ(host.state(), state);
  return host;
}

void in_every_state(const std::function<void(State, Event, const Succession&)>& look) {
  for (const State state : {State::First, State::Waiting, State::Serving, State::Retiring}) {
    for (const Event event : kEvents) {
      SCOPED_TRACE(std::string(to_string(state)) + ", event " +
                   std::to_string(static_cast<int>(event)));
      Succession host = in(state);
      const bool has_changed = host.on_event(event);
      EXPECT_EQ(has_changed, host.state() != state);
      look(state, event, host);
    }
  }
}

TEST(Succession, NeverGoesBack) {
  in_every_state([](State before, Event, const Succession& host) {
    // The end of its predecessor makes a host the first, which is no less than waiting.
    const bool has_become_first = before == State::Waiting && host.state() == State::First;
    EXPECT_TRUE(has_become_first || host.state() >= before);
  });
}

TEST(Succession, EndsWhenAskedTo) {
  in_every_state([](State, Event event, const Succession& host) {
    EXPECT_TRUE(event != Event::AskedToEnd || host.is_ending());
  });
}

TEST(Succession, OnlyAReadyHostServesAndItsPredecessorThenDoesNot) {
  in_every_state([](State before, Event event, const Succession& host) {
    if (host.state() == State::Serving && before != State::Serving) {
      EXPECT_EQ(event, Event::AllReady);
    }
    EXPECT_FALSE(event == Event::AllReady && host.predecessor_serves());
  });
}

TEST(Succession, AServingHostIsNotEndedByANewerOneThatOnlyStarts) {
  in_every_state([](State before, Event event, const Succession& host) {
    if (before == State::Serving && event != Event::AskedToEnd) {
      EXPECT_EQ(host.state(), State::Serving);
    }
  });
}

TEST(Succession, AnOvertakenHostStaysOnlyWhereNobodyElseServes) {
  in_every_state([](State before, Event event, const Succession& host) {
    if (event == Event::Overtaken || event == Event::OvertakenAtWork) {
      const bool is_alone = before == State::First && event == Event::OvertakenAtWork;
      EXPECT_EQ(host.is_ending(), before != State::Serving && !is_alone);
    }
  });
}

TEST(Succession, IsSupersededOnceANewerHostStartsAndStaysSo) {
  in_every_state([](State, Event event, const Succession& host) {
    EXPECT_EQ(host.is_superseded(), event == Event::Overtaken || event == Event::OvertakenAtWork);
    for (const Event later : kEvents) {
      Succession after = host;
      after.on_event(later);
      EXPECT_TRUE(after.is_superseded() || !host.is_superseded());
    }
  });
}

TEST(Succession, WaitsForAPredecessorUntilThatEndsOrItServesOrEndsItself) {
  in_every_state([](State before, Event event, const Succession& host) {
    EXPECT_FALSE(host.predecessor_serves());
    if (before == State::Waiting && event == Event::PredecessorEnded) {
      EXPECT_EQ(host.state(), State::First);
    }
  });
  EXPECT_TRUE(Succession(true).predecessor_serves());
  EXPECT_FALSE(Succession(false).predecessor_serves());
}

TEST(Succession, NamesEveryState) {
  in_every_state(
      [](State before, Event, const Succession&) { EXPECT_NE(to_string(before), "corrupt"); });
}

}  // namespace
}  // namespace wsgix::supervisor

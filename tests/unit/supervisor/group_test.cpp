// SPDX-License-Identifier: Apache-2.0
#include "wsgix/supervisor/group.hpp"

#include <gtest/gtest.h>

#include <map>
#include <random>

namespace wsgix::supervisor {
namespace {

using Kind = Action::Kind;
using Actions = std::vector<Action>;

constexpr GroupLimits kLimits{
    .processes = 1, .startup = seconds(20), .graceful = seconds(15), .shutdown = seconds(5)};

struct GroupOf : Group {
  explicit GroupOf(int processes, GroupLimits limits = kLimits)
      : Group(
            [&] {
              limits.processes = processes;
              return limits;
            }(),
            Clock::time_point{}) {}

  Time now{};

  Actions at(Clock::duration later) {
    now += later;
    time_passed(now);
    return take_actions();
  }
  Actions ready(WorkerId id) {
    worker_said_ready(id, now);
    return take_actions();
  }
  Actions ended(WorkerId id) {
    worker_ended(id, now);
    return take_actions();
  }
};

TEST(Group, StartsAllWorkersAndReportsOnceWhenTheLastIsReady) {
  GroupOf group(2);

  EXPECT_EQ(group.at(seconds(0)), (Actions{{Kind::Start, 1}, {Kind::Start, 2}}));
  EXPECT_EQ(group.ready(2), Actions{});
  EXPECT_EQ(group.ready(1), Actions{{Kind::ReportReady}});
  EXPECT_EQ(group.ready(1), Actions{}) << "the second word changes nothing";
  EXPECT_EQ(group.next_deadline(), kNever);
}

TEST(Group, StartsNothingBeforeItsFirstStart) {
  Group group(kLimits, Clock::time_point{} + seconds(3));

  group.time_passed(Clock::time_point{} + seconds(2));

  EXPECT_TRUE(group.take_actions().empty());
  EXPECT_EQ(group.next_deadline(), Clock::time_point{} + seconds(3));
}

TEST(Group, ReplacesADeadWorkerWithGrowingDelay) {
  GroupOf group(1);
  group.at(seconds(0));
  WorkerId id = 1;
  for (const int delay : {0, 250, 500, 1000}) {
    const Actions at_once = group.ended(id);
    EXPECT_EQ(at_once.empty(), delay != 0);
    if (delay != 0) {
      EXPECT_EQ(group.next_deadline(), group.now + milliseconds(delay));
      EXPECT_EQ(group.at(milliseconds(delay - 1)), Actions{});
      EXPECT_EQ(group.at(milliseconds(1)), (Actions{{Kind::Start, id + 1}}));
    }
    ++id;
  }
}

TEST(Group, KillsAWorkerThatIsNotReadyInTime) {
  GroupOf group(1);
  group.at(seconds(0));

  EXPECT_EQ(group.at(seconds(19)), Actions{});
  EXPECT_EQ(group.at(seconds(1)), (Actions{{Kind::Kill, 1}}));
  EXPECT_EQ(group.find(1)->reason, Reason::StartupTimeout);
  EXPECT_EQ(group.ended(1), (Actions{{Kind::Start, 2}}));
}

TEST(Group, NeverKillsAStartingWorkerWithoutAStartupTimeout) {
  GroupLimits limits = kLimits;
  limits.startup = {};
  GroupOf group(1, limits);
  group.at(seconds(0));

  EXPECT_EQ(group.next_deadline(), kNever);
}

TEST(Group, StartsTheReplacementOfALeavingWorkerAtOnce) {
  GroupOf group(1);
  group.at(seconds(0));
  group.ready(1);

  group.worker_is_leaving(1, Reason::ScriptReload, group.now);

  EXPECT_EQ(group.take_actions(), (Actions{{Kind::Start, 2}}));
  EXPECT_EQ(group.find(1)->state, State::Draining);
  EXPECT_EQ(group.find(1)->reason, Reason::ScriptReload);
  group.ready(2);
  EXPECT_EQ(group.at(seconds(19)), Actions{});
  EXPECT_EQ(group.at(seconds(1)), (Actions{{Kind::Kill, 1}}));
}

TEST(Group, DoesNotSlowDownForManyReloads) {
  GroupOf group(1);
  group.at(seconds(0));
  for (WorkerId id = 1; id < 50; ++id) {
    group.ready(id);
    group.worker_is_leaving(id, Reason::ScriptReload, group.now);
    EXPECT_EQ(group.take_actions(), (Actions{{Kind::Start, id + 1}}));
    EXPECT_EQ(group.ended(id), Actions{});
  }
}

TEST(Group, KeepsTheOldWorkerUntilItsSuccessorIsReady) {
  GroupOf group(1);
  group.at(seconds(0));
  group.ready(1);

  group.worker_wants_successor(1, Reason::MaximumRequests, group.now);
  group.worker_wants_successor(1, Reason::MaximumRequests, group.now);

  EXPECT_EQ(group.take_actions(), (Actions{{Kind::Start, 2}}));
  EXPECT_EQ(group.find(1)->state, State::Ready);
  EXPECT_EQ(group.ready(2), (Actions{{Kind::Retire, 1}}));
  EXPECT_EQ(group.find(1)->reason, Reason::MaximumRequests);
  EXPECT_EQ(group.ended(1), Actions{});
  EXPECT_EQ(group.find(2)->state, State::Ready);
}

TEST(Group, ASuccessorThatFailsIsTriedAgainWhileTheOldOneServes) {
  GroupOf group(1);
  group.at(seconds(0));
  group.ready(1);
  group.worker_wants_successor(1, Reason::Replaced, group.now);
  group.take_actions();

  EXPECT_EQ(group.ended(2), (Actions{{Kind::Start, 3}}));
  EXPECT_EQ(group.ended(3), Actions{});
  EXPECT_EQ(group.at(milliseconds(250)), (Actions{{Kind::Start, 4}}));
  EXPECT_EQ(group.find(1)->state, State::Ready);
  EXPECT_EQ(group.ready(4), (Actions{{Kind::Retire, 1}}));
}

TEST(Group, ASuccessorTakesTheSeatOfAHolderThatDied) {
  GroupOf group(1);
  group.at(seconds(0));
  group.ready(1);
  group.worker_wants_successor(1, Reason::Replaced, group.now);
  group.take_actions();

  EXPECT_EQ(group.ended(1), Actions{}) << "one is on its way already";
  EXPECT_EQ(group.ready(2), Actions{});
}

TEST(Group, ReplacesAllOneByOne) {
  GroupOf group(3);
  group.at(seconds(0));
  for (const WorkerId id : {1u, 2u, 3u}) group.ready(id);

  group.replace_all(group.now);

  EXPECT_EQ(group.take_actions(), (Actions{{Kind::Start, 4}}));
  EXPECT_EQ(group.ready(4), (Actions{{Kind::Retire, 1}, {Kind::Start, 5}}));
  EXPECT_EQ(group.ready(5), (Actions{{Kind::Retire, 2}, {Kind::Start, 6}}));
  EXPECT_EQ(group.ready(6), (Actions{{Kind::Retire, 3}}));
}

TEST(Group, TerminateAsksEverybodyThenKillsThenFinishes) {
  GroupOf group(2);
  group.at(seconds(0));
  group.ready(1);
  group.ready(2);

  group.terminate(group.now);
  EXPECT_EQ(group.take_actions(), (Actions{{Kind::Retire, 1}, {Kind::Retire, 2}}));
  EXPECT_EQ(group.ended(1), Actions{}) << "nobody is replaced any more";
  EXPECT_EQ(group.at(seconds(5)), (Actions{{Kind::Kill, 2}}));
  EXPECT_EQ(group.ended(2), Actions{{Kind::Finish}});
  EXPECT_EQ(group.next_deadline(), kNever);
}

TEST(Group, RetireAllowsRequestsTheirGracefulTimeAndTerminateShortensIt) {
  GroupOf group(1);
  group.at(seconds(0));
  group.ready(1);

  group.retire(group.now);
  EXPECT_EQ(group.next_deadline(), group.now + seconds(20));
  group.terminate(group.now);
  EXPECT_EQ(group.next_deadline(), group.now + seconds(5));
}

TEST(Group, AWorkerThatIsStillStartingDoesNotHoldUpTheEnd) {
  GroupLimits limits = kLimits;
  limits.shutdown = {};
  GroupOf group(1, limits);
  group.at(seconds(0));

  group.terminate(group.now);

  EXPECT_EQ(group.next_deadline(), group.now + seconds(1));
}

TEST(Group, WithoutAShutdownTimeoutADrainHasNoEnd) {
  GroupLimits limits = kLimits;
  limits.shutdown = {};
  GroupOf group(1, limits);
  group.at(seconds(0));
  group.ready(1);

  group.terminate(group.now);

  EXPECT_EQ(group.next_deadline(), kNever);
}

TEST(Group, EndsAtOnceWhenNothingRuns) {
  Group group(kLimits, Clock::time_point{} + seconds(30));

  group.terminate(Clock::time_point{});

  EXPECT_EQ(group.take_actions(), Actions{{Kind::Finish}});
  group.terminate(Clock::time_point{});
  EXPECT_TRUE(group.take_actions().empty()) << "it finishes once";
}

/// Any events in any order: never too many workers, never one forgotten, always an end.
TEST(Group, HoldsItsInvariantsUnderRandomEvents) {
  for (unsigned seed = 0; seed < 300; ++seed) {
    std::mt19937 random(seed);
    const auto up_to = [&](int most) { return std::uniform_int_distribution(0, most)(random); };
    const int processes = 1 + up_to(3);
    GroupOf group(processes);
    std::map<WorkerId, bool> alive;  // true: was asked to end
    const auto obey = [&](const Actions& actions) {
      for (const Action& action : actions) {
        if (action.kind == Kind::Start) {
          ASSERT_TRUE(alive.emplace(action.worker, false).second);
        }
        if (action.kind == Kind::Retire || action.kind == Kind::Kill) {
          ASSERT_TRUE(alive.count(action.worker));
          alive[action.worker] = true;
        }
        if (action.kind == Kind::Finish) {
          ASSERT_TRUE(alive.empty());
        }
      }
    };
    for (int step = 0; step < 200; ++step) {
      const WorkerId id =
          alive.empty()
              ? 0
              : std::next(alive.begin(), up_to(static_cast<int>(alive.size()) - 1))->first;
      switch (up_to(7)) {
        case 0:
        case 1: group.worker_said_ready(id, group.now); break;
        case 2:
          if (group.find(id)) alive[id] = true;
          group.worker_is_leaving(id, Reason::ScriptReload, group.now);
          break;
        case 3: group.worker_wants_successor(id, Reason::MaximumRequests, group.now); break;
        case 4:
          group.worker_ended(id, group.now);
          alive.erase(id);
          break;
        case 5: group.replace_all(group.now); break;
        default: obey(group.at(milliseconds(up_to(2000)))); break;
      }
      obey(group.take_actions());
      const auto serving = std::count_if(alive.begin(), alive.end(),
                                         [](const auto& worker) { return !worker.second; });
      ASSERT_LE(serving, processes + 1) << "seed " << seed << " step " << step;
      for (const auto& [worker, asked] : alive) ASSERT_TRUE(group.find(worker)) << worker;
    }
    group.terminate(group.now);
    obey(group.take_actions());
    obey(group.at(seconds(6)));
    while (!alive.empty()) {
      const WorkerId id = alive.begin()->first;
      alive.erase(id);
      obey(group.ended(id));
    }
    ASSERT_TRUE(group.is_ending());
    ASSERT_EQ(group.next_deadline(), kNever);
  }
}

}  // namespace
}  // namespace wsgix::supervisor

// SPDX-License-Identifier: Apache-2.0
#include "wsgix/supervisor/group.hpp"

#include <gtest/gtest.h>

namespace wsgix::supervisor {
namespace {

using Kind = Action::Kind;
using Actions = std::vector<Action>;

constexpr GroupLimits kLimits{
    .processes = 1, .startup = seconds(20), .graceful = seconds(15), .shutdown = seconds(5)};

struct GroupOf : Group {
  explicit GroupOf(int processes, GroupLimits limits = kLimits, Origin origin = {})
      : Group(
            [&] {
              limits.processes = processes;
              return limits;
            }(),
            origin) {}

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
  Group group(kLimits, {.first_start = Clock::time_point{} + seconds(3)});

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
  EXPECT_EQ(group.find(1)->reason, EndReason::StartupTimeout);
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

  group.worker_is_leaving(1, EndReason::ScriptReload, true, group.now);

  EXPECT_EQ(group.take_actions(), (Actions{{Kind::Start, 2}}));
  EXPECT_EQ(group.find(1)->state, State::Draining);
  EXPECT_EQ(group.find(1)->reason, EndReason::ScriptReload);
  group.ready(2);
  EXPECT_EQ(group.at(seconds(19)), Actions{});
  EXPECT_EQ(group.at(seconds(1)), (Actions{{Kind::Kill, 1}}));
}

TEST(Group, DoesNotSlowDownForManyReloads) {
  GroupOf group(1);
  group.at(seconds(0));
  for (WorkerId id = 1; id < 50; ++id) {
    group.ready(id);
    group.worker_is_leaving(id, EndReason::ScriptReload, true, group.now);
    EXPECT_EQ(group.take_actions(), (Actions{{Kind::Start, id + 1}}));
    EXPECT_EQ(group.ended(id), Actions{});
  }
}

TEST(Group, KeepsTheOldWorkerUntilItsSuccessorIsReady) {
  GroupOf group(1);
  group.at(seconds(0));
  group.ready(1);

  group.worker_wants_successor(1, EndReason::MaximumRequests, group.now);
  group.worker_wants_successor(1, EndReason::MaximumRequests, group.now);

  EXPECT_EQ(group.take_actions(), (Actions{{Kind::Start, 2}}));
  EXPECT_EQ(group.find(1)->state, State::Ready);
  EXPECT_EQ(group.ready(2), (Actions{{Kind::Retire, 1}}));
  EXPECT_EQ(group.find(1)->reason, EndReason::MaximumRequests);
  EXPECT_EQ(group.ended(1), Actions{});
  EXPECT_EQ(group.find(2)->state, State::Ready);
}

TEST(Group, ASuccessorThatFailsIsTriedAgainWhileTheOldOneServes) {
  GroupOf group(1);
  group.at(seconds(0));
  group.ready(1);
  group.worker_wants_successor(1, EndReason::Replaced, group.now);
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
  group.worker_wants_successor(1, EndReason::Replaced, group.now);
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
  Group group(kLimits, {.first_start = Clock::time_point{} + seconds(30)});

  group.terminate(Clock::time_point{});

  EXPECT_EQ(group.take_actions(), Actions{{Kind::Finish}});
  group.terminate(Clock::time_point{});
  EXPECT_TRUE(group.take_actions().empty()) << "it finishes once";
}

TEST(Group, AWorkerThatLeavesWithoutARequestIsReplacedWithGrowingDelay) {
  GroupOf group(1);
  group.at(seconds(0));
  WorkerId id = 1;
  for (const int delay : {0, 250, 500, 1000}) {
    group.ready(id);
    group.worker_is_leaving(id, EndReason::ScriptReload, false, group.now);
    EXPECT_EQ(group.take_actions().empty(), delay != 0) << delay;
    if (delay != 0) {
      EXPECT_EQ(group.at(milliseconds(delay)), (Actions{{Kind::Start, id + 1}}));
    }
    ++id;
  }
}

TEST(Group, ReloadMakesASuccessorForEachOlderWorker) {
  GroupOf group(2);
  group.at(seconds(0));
  group.ready(1);
  group.ready(2);

  group.reload(EndReason::ScriptReload, group.now);

  EXPECT_EQ(group.take_actions(), (Actions{{Kind::Start, 3}}));
  EXPECT_EQ(group.find(3)->generation, 2u);
  EXPECT_EQ(group.ready(3), (Actions{{Kind::Retire, 1}, {Kind::Start, 4}}));
  EXPECT_EQ(group.find(1)->reason, EndReason::ScriptReload);
  EXPECT_EQ(group.ready(4), (Actions{{Kind::Retire, 2}}));
  EXPECT_EQ(group.ended(1), Actions{});
  EXPECT_EQ(group.ended(2), Actions{});
  EXPECT_EQ(group.next_deadline(), kNever);
}

TEST(Group, ManyReloadsDuringAReplacementLeadToOneMore) {
  GroupOf group(1);
  group.at(seconds(0));
  group.ready(1);
  for (int touch = 0; touch < 5; ++touch) group.reload(EndReason::ScriptReload, group.now);

  EXPECT_EQ(group.take_actions(), (Actions{{Kind::Start, 2}}));
  for (int touch = 0; touch < 5; ++touch) group.reload(EndReason::ScriptReload, group.now);
  EXPECT_EQ(group.take_actions(), Actions{});
  EXPECT_EQ(group.ready(2), (Actions{{Kind::Retire, 1}, {Kind::Start, 3}}));
  EXPECT_EQ(group.ready(3), (Actions{{Kind::Retire, 2}}));
}

TEST(Group, ReplacesOneInEightAtATime) {
  GroupOf group(16);
  group.at(seconds(0));
  for (WorkerId id = 1; id <= 16; ++id) group.ready(id);

  group.reload(EndReason::ScriptReload, group.now);

  EXPECT_EQ(group.take_actions(), (Actions{{Kind::Start, 17}, {Kind::Start, 18}}));
}

TEST(Group, ASuccessorThatCannotLoadIsEndedAndTriedAgainAtTheNextReload) {
  GroupOf group(1);
  group.at(seconds(0));
  group.ready(1);
  group.reload(EndReason::ScriptReload, group.now);
  group.take_actions();

  group.worker_cannot_load(2, group.now);

  EXPECT_EQ(group.take_actions(), (Actions{{Kind::Retire, 2}}));
  EXPECT_EQ(group.find(2)->reason, EndReason::CannotLoad);
  EXPECT_EQ(group.find(1)->state, State::Ready);
  EXPECT_EQ(group.ended(2), Actions{});
  EXPECT_EQ(group.next_deadline(), group.now + seconds(1));
  group.reload(EndReason::ScriptReload, group.now);
  EXPECT_EQ(group.take_actions(), (Actions{{Kind::Start, 3}}));
}

TEST(Group, BrokenLoadsAreTriedLessAndLessOften) {
  GroupOf group(2);
  group.at(seconds(0));
  group.ready(1);
  group.ready(2);
  group.reload(EndReason::ScriptReload, group.now);
  group.take_actions();
  WorkerId id = 3;
  for (const int pause : {1000, 1000, 1000, 1000, 2000, 4000, 8000, 16000, 30000, 30000}) {
    group.worker_cannot_load(id, group.now);
    EXPECT_EQ(group.take_actions(), (Actions{{Kind::Retire, id}}));
    EXPECT_EQ(group.ended(id), Actions{});
    EXPECT_EQ(group.at(milliseconds(pause - 1)), Actions{}) << "in no seat";
    EXPECT_EQ(group.at(milliseconds(1)), (Actions{{Kind::Start, id + 1}}));
    ++id;
  }
}

TEST(Group, AWorkerThatCannotLoadServesWhenNobodyHasMore) {
  GroupOf group(1);
  group.at(seconds(0));

  group.worker_cannot_load(1, group.now);

  EXPECT_EQ(group.take_actions(), (Actions{{Kind::Serve, 1}}));
  EXPECT_EQ(group.ready(1), (Actions{{Kind::ReportReady}}));
}

TEST(Group, AReplacementThatCannotLoadDoesNotServeBesideAHealthyWorker) {
  GroupOf group(2);
  group.at(seconds(0));
  group.ready(1);
  group.ready(2);

  EXPECT_EQ(group.ended(2), (Actions{{Kind::Start, 3}}));
  group.worker_cannot_load(3, group.now);

  EXPECT_EQ(group.take_actions(), (Actions{{Kind::Retire, 3}}));
  EXPECT_EQ(group.at(seconds(1)), (Actions{{Kind::Start, 4}}));
  group.ended(1);  // now there is nothing better
  group.worker_cannot_load(4, group.now);
  EXPECT_EQ(group.take_actions().back(), (Action{Kind::Serve, 4}));
}

TEST(Group, AnIncompleteWorkerIsReplacedByAnotherIncompleteOne) {
  GroupOf group(1);
  group.at(seconds(0));
  group.worker_cannot_load(1, group.now);
  group.ready(1);
  group.reload(EndReason::ScriptReload, group.now);
  group.take_actions();

  group.worker_cannot_load(2, group.now);

  EXPECT_EQ(group.take_actions(), (Actions{{Kind::Serve, 2}}));
  EXPECT_EQ(group.ready(2), (Actions{{Kind::Retire, 1}}));
}

TEST(Group, NoIncompleteWorkerTakesOverFromAPredecessorThatServes) {
  GroupOf group(1, kLimits, {.first_start = {}, .predecessor_serves = true});
  group.at(seconds(0));
  group.worker_cannot_load(1, group.now);
  EXPECT_EQ(group.take_actions(), (Actions{{Kind::Retire, 1}}));
  EXPECT_EQ(group.at(seconds(1)), (Actions{{Kind::Start, 2}}));

  group.predecessor_ended(group.now);
  group.worker_cannot_load(2, group.now);

  EXPECT_EQ(group.take_actions(), (Actions{{Kind::Serve, 2}}));
}

TEST(Group, KillNowKillsAndReplacesAtOnce) {
  GroupOf group(1);
  group.at(seconds(0));
  group.ready(1);
  group.now += seconds(60);

  group.kill_now(1, EndReason::DeadlockTimeout, group.now);

  EXPECT_EQ(group.take_actions(), (Actions{{Kind::Kill, 1}, {Kind::Start, 2}}));
  EXPECT_EQ(group.find(1)->reason, EndReason::DeadlockTimeout);
  group.kill_now(1, EndReason::MemoryExceeded, group.now);
  EXPECT_EQ(group.take_actions(), Actions{}) << "it dies once";
  EXPECT_EQ(group.find(1)->reason, EndReason::DeadlockTimeout);
}

TEST(Group, KillNowReachesAWorkerThatDrains) {
  GroupOf group(1);
  group.at(seconds(0));
  group.ready(1);
  group.retire(group.now);
  group.take_actions();

  group.kill_now(1, EndReason::DeadlockTimeout, group.now);

  EXPECT_EQ(group.take_actions(), (Actions{{Kind::Kill, 1}}));
}

TEST(Group, WorkersThatExceedTheirMemoryAtOnceDoNotLoopHot) {
  GroupOf group(1);
  group.at(seconds(0));
  WorkerId id = 1;
  for (const int delay : {0, 250, 500}) {
    group.ready(id);
    group.kill_now(id, EndReason::MemoryExceeded, group.now);
    group.ended(id);
    group.take_actions();
    if (delay != 0) {
      EXPECT_EQ(group.at(milliseconds(delay)), (Actions{{Kind::Start, id + 1}}));
    }
    ++id;
  }
}

GroupLimits limits_with_interval() {
  GroupLimits limits = kLimits;
  limits.restart_interval = seconds(100);
  return limits;
}

TEST(Group, WorkersGrowOldAtDifferentTimes) {
  GroupOf group(2, limits_with_interval());
  group.at(seconds(0));
  group.ready(1);
  group.ready(2);

  EXPECT_EQ(group.at(seconds(100)), (Actions{{Kind::Start, 3}}));
  EXPECT_EQ(group.ready(3), (Actions{{Kind::Retire, 1}}));
  EXPECT_EQ(group.find(1)->reason, EndReason::RestartInterval);
  EXPECT_EQ(group.ended(1), Actions{});
  EXPECT_EQ(group.at(milliseconds(4999)), Actions{});
  EXPECT_EQ(group.at(milliseconds(1)), (Actions{{Kind::Start, 4}}));
}

TEST(Group, AStuckRequestIsGivenAnEndEvenWithoutAShutdownTimeout) {
  GroupLimits limits = kLimits;
  limits.shutdown = {};
  GroupOf group(1, limits);
  group.at(seconds(0));
  group.ready(1);
  group.worker_wants_successor(1, EndReason::RequestTimeout, group.now);
  group.take_actions();

  EXPECT_EQ(group.ready(2), (Actions{{Kind::Retire, 1}}));

  EXPECT_EQ(group.next_deadline(), group.now + seconds(20));
  EXPECT_EQ(group.at(seconds(20)), (Actions{{Kind::Kill, 1}}));
  EXPECT_EQ(group.find(1)->reason, EndReason::RequestTimeout);
}

TEST(Group, AStuckRequestOfADrainingWorkerIsGivenAnEnd) {
  GroupLimits limits = kLimits;
  limits.shutdown = {};
  GroupOf group(1, limits);
  group.at(seconds(0));
  group.ready(1);
  group.retire(group.now);
  EXPECT_EQ(group.next_deadline(), kNever);

  group.worker_wants_successor(1, EndReason::RequestTimeout, group.now);

  EXPECT_EQ(group.next_deadline(), group.now + seconds(20));
}

TEST(Group, TheOperatorMayAllowAnotherTime) {
  GroupLimits limits = kLimits;
  limits.eviction = seconds(60);
  GroupOf group(1, limits);
  group.at(seconds(0));
  group.ready(1);
  group.worker_wants_successor(1, EndReason::Operator, group.now);
  group.ready(2);

  EXPECT_EQ(group.next_deadline(), group.now + seconds(65));
}

TEST(Group, PauseEndsAllAndResumeStartsAll) {
  GroupOf group(2);
  group.at(seconds(0));
  group.ready(1);
  group.ready(2);

  group.pause(group.now);
  EXPECT_EQ(group.take_actions(), (Actions{{Kind::Retire, 1}, {Kind::Retire, 2}}));
  EXPECT_EQ(group.ended(1), Actions{});
  EXPECT_EQ(group.ended(2), Actions{});
  EXPECT_EQ(group.next_deadline(), kNever);
  group.reload(EndReason::ScriptReload, group.now);
  EXPECT_EQ(group.take_actions(), Actions{});

  group.resume(group.now);
  EXPECT_EQ(group.take_actions(), (Actions{{Kind::Start, 3}, {Kind::Start, 4}}));
}

TEST(Group, WorkersThatDieWithTheirFirstRequestNeverCloseTheGroupForLong) {
  GroupOf group(1);
  group.at(seconds(0));
  for (WorkerId id = 1; id < 30; ++id) {
    group.ready(id);
    group.ended(id);
    group.at(seconds(1));
    ASSERT_TRUE(group.find(id + 1)) << id;
  }
  EXPECT_EQ(group.failures_in_a_row(), 0);
}

TEST(Group, AServiceThatEndsSoonIsAFailedStart) {
  GroupLimits limits = kLimits;
  limits.is_service = true;
  GroupOf group(1, limits);
  group.at(seconds(0));
  for (WorkerId id = 1; id < 9; ++id) {
    group.ready(id);
    if (group.ended(id).empty()) group.at(group.next_deadline() - group.now);
  }
  group.ready(9);
  group.ended(9);

  EXPECT_EQ(group.next_deadline(), group.now + seconds(30));
}

TEST(Group, AnOvertakenOneThatWasNeverReadyEndsAtOnce) {
  GroupOf group(2, kLimits, {.first_start = {}, .predecessor_serves = true});
  group.at(seconds(0));
  group.ready(1);

  group.overtaken(group.now);

  EXPECT_EQ(group.take_actions(), (Actions{{Kind::Retire, 1}, {Kind::Retire, 2}, {Kind::Kill, 2}}));
  group.ended(2);
  EXPECT_EQ(group.ended(1), (Actions{{Kind::Finish}}));
}

TEST(Group, AnOvertakenOneOfWhichOnlyOneWorkerIsReadyServesOnWhenNobodyElseDoes) {
  GroupOf group(2);
  group.at(seconds(0));
  group.ready(1);

  group.overtaken(group.now);

  EXPECT_EQ(group.take_actions(), Actions{});
  EXPECT_EQ(group.find(1)->state, State::Ready);
  EXPECT_EQ(group.find(2)->state, State::Starting);
}

TEST(Group, AnOvertakenOneWithoutAReadyWorkerEndsAtOnceAlsoWhenNobodyElseServes) {
  GroupOf group(1);
  group.at(seconds(0));

  group.overtaken(group.now);

  EXPECT_EQ(group.take_actions(), (Actions{{Kind::Retire, 1}, {Kind::Kill, 1}}));
}

TEST(Group, AnOvertakenOneThatIsReadyServesOn) {
  GroupOf group(1);
  group.at(seconds(0));
  group.ready(1);

  group.overtaken(group.now);

  EXPECT_EQ(group.take_actions(), Actions{});
  EXPECT_EQ(group.find(1)->state, State::Ready);
}

TEST(Group, AGroupThatBeginsPausedLetsItsPredecessorGo) {
  GroupOf group(1, kLimits, {.first_start = {}, .predecessor_serves = true});

  group.pause(group.now);

  EXPECT_EQ(group.take_actions(), (Actions{{Kind::ReportReady}}));
}

}  // namespace
}  // namespace wsgix::supervisor

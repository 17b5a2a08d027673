// SPDX-License-Identifier: Apache-2.0
#include "wsgix/relay/timers.hpp"

#include <gtest/gtest.h>

#include <vector>

namespace wsgix::relay {
namespace {

constexpr Clock::time_point kStart = Clock::time_point{} + std::chrono::hours(1);
constexpr Limits kLimits{seconds(10), seconds(20), seconds(30), seconds(40), seconds(0)};

Timers started(Clock::duration whole = {}) {
  Limits limits = kLimits;
  limits.whole = whole;
  Timers timers(limits, kStart - seconds(99));
  timers.start(kStart);
  return timers;
}

Situation queueing() {
  Situation situation;
  situation.queues = true;
  return situation;
}

/// Every combination of what can be so.
std::vector<Situation> all_situations() {
  std::vector<Situation> all;
  for (unsigned bits = 0; bits < 128; ++bits) {
    const auto bit = [&](unsigned number) { return (bits >> number & 1U) != 0; };
    all.push_back({bit(0), bit(1), bit(2), bit(3), bit(4), bit(5), kStart, bit(6)});
  }
  return all;
}

TEST(Timers, ABufferedBodyTakesNothingFromTheQueuesTime) {
  Timers timers = started();
  EXPECT_EQ(timers.expired(queueing(), kStart + seconds(10) - milliseconds(1)), Expired::Nothing);
  EXPECT_EQ(timers.expired(queueing(), kStart + seconds(10)), Expired::Queue);
}

TEST(Timers, TheQueuesTimeIsForAllAttemptsTogether) {
  Timers timers = started();
  timers.handed_over(kStart + seconds(9));
  timers.moved(kStart + seconds(9));
  EXPECT_EQ(timers.expired(queueing(), kStart + seconds(10)), Expired::Queue);
}

TEST(Timers, AWorkerIsSilentSinceBytesMovedLast) {
  Timers timers = started();
  timers.moved(kStart + seconds(5));
  EXPECT_EQ(timers.expired({}, kStart + seconds(24)), Expired::Nothing);
  EXPECT_EQ(timers.expired({}, kStart + seconds(25)), Expired::Worker);
}

TEST(Timers, AClientThatIsToSendIsJudgedByItsOwnLimit) {
  Timers timers = started();
  Situation situation;
  situation.wants_client = true;
  EXPECT_EQ(timers.expired(situation, kStart + seconds(29)), Expired::Nothing);
  EXPECT_EQ(timers.expired(situation, kStart + seconds(30)), Expired::ClientRead);
}

TEST(Timers, AClientThatIsToTakeIsJudgedSinceItTookLast) {
  Timers timers = started();
  Situation situation;
  situation.client_is_full = situation.client_is_behind = true;
  situation.client_took = kStart + seconds(3);
  EXPECT_EQ(timers.expired(situation, kStart + seconds(42)), Expired::Nothing);
  EXPECT_EQ(timers.expired(situation, kStart + seconds(43)), Expired::ClientWrite);
}

TEST(Timers, AWorkerIsStillJudgedWhileAClientIsBehind) {
  Timers timers = started();
  Situation situation;
  situation.client_is_behind = true;
  situation.client_took = kStart;
  EXPECT_EQ(timers.expired(situation, kStart + seconds(20)), Expired::Worker);
}

TEST(Timers, TheDeadlineOfTheWholeRequestStandsBesideTheOthers) {
  EXPECT_FALSE(started().has_deadline());
  EXPECT_EQ(started().deadline_us(), 0);
  EXPECT_FALSE(started().request_is_late(kStart + std::chrono::hours(24)));

  Timers timers = started(seconds(2));
  EXPECT_EQ(timers.deadline_us(), 3'602'000'000);  // an hour and two seconds
  EXPECT_FALSE(timers.request_is_late(kStart + milliseconds(1999)));
  EXPECT_TRUE(timers.request_is_late(kStart + seconds(2)));
  for (const Situation& situation : all_situations()) {
    EXPECT_LE(timers.next_look(situation, kStart), kStart + seconds(2));
  }
}

TEST(Timers, NothingExpiresUnseen) {
  for (const Situation& situation : all_situations()) {
    Timers timers = started(seconds(15));
    for (auto now = kStart; now < kStart + seconds(60); now += milliseconds(50)) {
      if (timers.request_is_late(now)) break;
      if (timers.expired(situation, now) != Expired::Nothing) break;
      const Deadline look = timers.next_look(situation, now);
      EXPECT_GE(look, now);
      // Waiting until then passes nothing by: at the look itself it is the first time.
      EXPECT_EQ(timers.expired(situation, look - milliseconds(1)), Expired::Nothing);
    }
  }
}

TEST(Timers, WhoWaitsIsLookedAtAtLeastFourTimesASecond) {
  for (Situation situation : all_situations()) {
    Timers timers = started();
    if (situation.client_is_full && !situation.queues) continue;  // its worker waits as well
    if (situation.body_is_due && !situation.wants_client) continue;
    EXPECT_LE(timers.next_look(situation, kStart + seconds(1)),
              kStart + seconds(1) + milliseconds(250));
  }
}

TEST(Timers, AStoredBodyThatIsDueIsSentAtOnce) {
  Situation situation;
  situation.body_is_due = true;
  EXPECT_EQ(started().next_look(situation, kStart), kStart);
}

TEST(Timers, AnIdleUploadOfAStreamIsAskedForLessAndLessOften) {
  Timers timers = started();
  Situation situation;
  situation.wants_client = situation.body_is_due = situation.is_stream = true;
  const auto first = timers.next_look(situation, kStart) - kStart;
  auto last = first;
  for (int i = 0; i < 40; ++i) {
    const auto look = timers.next_look(situation, kStart) - kStart;
    EXPECT_GE(look, last);
    last = look;
  }
  EXPECT_EQ(first, std::chrono::microseconds(100));
  EXPECT_EQ(last, milliseconds(5));
  timers.client_sent(kStart);
  EXPECT_EQ(timers.next_look(situation, kStart) - kStart, first);
}

TEST(Timers, OnlyWhoHasWaitedForAMomentIsCounted) {
  Timers timers = started();
  timers.handed_over(kStart + milliseconds(100));
  EXPECT_FALSE(timers.should_have_been_taken(kStart + milliseconds(109)));
  EXPECT_TRUE(timers.should_have_been_taken(kStart + milliseconds(110)));
  EXPECT_TRUE(timers.is_on_its_way(kStart + milliseconds(249)));
  EXPECT_FALSE(timers.is_on_its_way(kStart + milliseconds(250)));
}

}  // namespace
}  // namespace wsgix::relay

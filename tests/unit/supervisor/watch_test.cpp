// SPDX-License-Identifier: Apache-2.0
#include "wsgix/supervisor/watch.hpp"

#include <gtest/gtest.h>

namespace wsgix::supervisor {
namespace {

constexpr Clock::time_point kStart{seconds(1000)};

constexpr WatchLimits kLimits{.startup = seconds(20),
                              .request = seconds(70),
                              .after_deadline = seconds(5),
                              .inactivity = seconds(300),
                              .deadlock = seconds(30),
                              .soft_bytes = 1000,
                              .hard_bytes = 2000};

struct Watched : testing::Test {
  Watch watch{kLimits};
  Clock::time_point now = kStart;
  WorkerSample sample{.worker = 1, .is_ready = true, .started = kStart};

  /// What it says `later`, looking every second until then, with a heart that beats.
  Verdict after(Clock::duration later, bool beats = true) {
    for (const auto end = now + later; now < end;) {
      now += seconds(1);
      watch.begin_look(now);
      if (beats) sample.heartbeat = now;
      const Verdict verdict = watch.judge(sample, now);
      if (verdict.reason != EndReason::None) return verdict;
    }
    return {};
  }
};

TEST_F(Watched, AWorkerThatDoesNothingWrongGoesOn) {
  sample.resident_bytes = 1000;
  sample.requests = {{.since = kStart}};

  EXPECT_EQ(after(seconds(69)).reason, EndReason::None);
}

TEST_F(Watched, SilenceOfPythonIsADeadlock) {
  after(seconds(10));

  EXPECT_EQ(after(seconds(29), false).reason, EndReason::None);
  const Verdict verdict = after(seconds(1), false);
  EXPECT_EQ(verdict.reason, EndReason::DeadlockTimeout);
  EXPECT_EQ(verdict.span, seconds(30));
  EXPECT_EQ(after(seconds(10), false).reason, EndReason::None) << "it is said once";
}

TEST_F(Watched, SilenceBeforePythonIsUpIsNone) {
  sample.is_ready = false;

  EXPECT_EQ(after(seconds(60), false).reason, EndReason::None);
}

TEST_F(Watched, SilenceWhileNobodyLookedIsNone) {
  WatchLimits limits = kLimits;
  limits.inactivity = {};
  watch = Watch(limits);
  after(seconds(10));
  now += seconds(3600);  // a machine that slept, a container that was frozen

  EXPECT_EQ(after(seconds(29), false).reason, EndReason::None);
  EXPECT_EQ(after(seconds(5), false).reason, EndReason::DeadlockTimeout);
}

TEST_F(Watched, ARequestThatDoesNotComeBackIsStuck) {
  sample.requests = {{.since = kStart + seconds(5)}, {.since = kStart}};

  const Verdict verdict = after(seconds(75));

  EXPECT_EQ(verdict.reason, EndReason::RequestTimeout);
  EXPECT_EQ(verdict.request, 1u);
  EXPECT_EQ(verdict.span, seconds(70));
}

TEST_F(Watched, ARequestIsStuckSomeTimeAfterItsOwnDeadline) {
  sample.requests = {{.since = kStart, .deadline = kStart + seconds(2)}};

  EXPECT_EQ(after(seconds(6)).reason, EndReason::None);
  EXPECT_EQ(after(seconds(1)).reason, EndReason::RequestTimeout);
}

TEST_F(Watched, AScriptHasTheStartupTimeToLoad) {
  sample.requests = {{.since = kStart, .loading_since = kStart + seconds(1)}};

  EXPECT_EQ(after(seconds(20)).reason, EndReason::None);
  EXPECT_EQ(after(seconds(1)).reason, EndReason::StartupTimeout);
}

TEST_F(Watched, GrowthIsThreeSamplesInARow) {
  for (const std::int64_t bytes : {1001, 1001, 1000, 1001, 1001}) {
    sample.resident_bytes = bytes;
    EXPECT_EQ(watch.judge(sample, now).reason, EndReason::None) << bytes;
  }
  sample.resident_bytes.reset();
  EXPECT_EQ(watch.judge(sample, now).reason, EndReason::None) << "not measured is not above";
  sample.resident_bytes = 1500;

  EXPECT_EQ(watch.judge(sample, now).reason, EndReason::MemoryRecycle);
}

TEST_F(Watched, OneSampleAboveTheHardLimitIsEnough) {
  sample.resident_bytes = 2001;

  EXPECT_EQ(watch.judge(sample, now).reason, EndReason::MemoryExceeded);
}

TEST_F(Watched, AnotherWorkerIsJudgedForItself) {
  sample.resident_bytes = 2001;
  watch.judge(sample, now);
  sample.worker = 2;

  EXPECT_EQ(watch.judge(sample, now).reason, EndReason::MemoryExceeded);
  watch.forget(2);
  EXPECT_EQ(watch.judge(sample, now).reason, EndReason::MemoryExceeded);
}

TEST_F(Watched, IdlenessCountsFromTheLastActivity) {
  sample.activity = kStart + seconds(100);

  EXPECT_EQ(after(seconds(399)).reason, EndReason::None);
  const Verdict verdict = after(seconds(1));
  EXPECT_EQ(verdict.reason, EndReason::InactivityTimeout);
  EXPECT_EQ(verdict.span, seconds(300));
}

TEST_F(Watched, IdlenessCountsFromTheStartWithoutAnyActivity) {
  EXPECT_EQ(after(seconds(299)).reason, EndReason::None);
  EXPECT_EQ(after(seconds(1)).reason, EndReason::InactivityTimeout);
}

TEST_F(Watched, ARequestIsNoIdlenessUnlessItIsStale) {
  WatchLimits limits = kLimits;
  limits.request = seconds(400);
  watch = Watch(limits);
  sample.requests = {{.since = kStart}};

  EXPECT_EQ(after(seconds(399)).reason, EndReason::None);
  EXPECT_EQ(after(seconds(1)).reason, EndReason::RequestTimeout);
  EXPECT_EQ(after(seconds(1)).reason, EndReason::InactivityTimeout);
}

TEST_F(Watched, WithoutLimitsEverythingGoesOn) {
  watch = Watch({});
  sample.resident_bytes = 1'000'000;
  sample.requests = {{.since = kStart, .loading_since = kStart}};
  sample.heartbeat = kStart;

  EXPECT_EQ(after(seconds(5000), false).reason, EndReason::None);
}

}  // namespace
}  // namespace wsgix::supervisor

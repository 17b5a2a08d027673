// SPDX-License-Identifier: Apache-2.0
#include "wsgix/runtime/request_watchdog.hpp"

#include <gtest/gtest.h>

#include <atomic>

namespace wsgix::runtime {
namespace {

/// What the watchdog did to Python. One at a time: the table has no context.
struct FakePython {
  std::mutex mutex;
  std::condition_variable changed;
  int beats = 0;
  std::vector<std::pair<std::uint64_t, int>> interrupted;
  std::function<void()> before_stacks;

  void note(const std::function<void()>& change) {
    const std::lock_guard lock(mutex);
    change();
    changed.notify_all();
  }
  bool await(const std::function<bool()>& condition) {
    std::unique_lock lock(mutex);
    return changed.wait_for(lock, seconds(20), condition);
  }
};
FakePython* python = nullptr;

const wsgix_runtime& table() {
  static const wsgix_runtime runtime = [] {
    wsgix_runtime filled{};
    filled.heartbeat = [] { python->note([] { ++python->beats; }); };
    filled.interrupt = [](std::uint64_t id, std::int32_t why) {
      python->note([&] { python->interrupted.emplace_back(id, why); });
      return 1;
    };
    filled.write_stacks = [](std::uint64_t, void* context, void (*line)(void*, wsgix_text)) {
      if (python->before_stacks) python->before_stacks();
      line(context, {"in view", 7});
    };
    return filled;
  }();
  return runtime;
}

class Lines final : public LogSink {
 public:
  void write(LogLevel, std::string_view line) noexcept override {
    python->note([&] { text += std::string(line) + "\n"; });
  }
  std::string text;
};

class Request final : public WatchedRequest {
 public:
  bool client_is_gone() const noexcept override { return gone; }
  std::string describe() const override { return "GET /late"; }
  void log_line(LogLevel, std::string_view line) noexcept override {
    log += std::string(line) + "\n";
  }
  std::atomic<bool> gone = false;
  std::string log;  ///< read only after withdraw()
};

// ---- what is due ----

using Ids = std::vector<std::pair<std::uint64_t, int>>;

Ids ids_of(const WatchdogSchedule::Due& due) {
  Ids ids;
  for (const auto& [id, why] : due.late) ids.emplace_back(id, why);
  return ids;
}

/// Any point of time will do; the clock's own zero is where a schedule begins.
constexpr Clock::time_point kStart{seconds(1000)};

TEST(WatchdogSchedule, WithoutDutiesHasNothingToDo) {
  WatchdogSchedule schedule(kNever, false);

  EXPECT_EQ(schedule.next_look(), kNever);
  EXPECT_FALSE(schedule.take_due(kStart).beat);
}

TEST(WatchdogSchedule, BeatsASecondAfterTheLastBeat) {
  WatchdogSchedule schedule(kStart, false);
  EXPECT_EQ(schedule.next_look(), kStart);

  EXPECT_TRUE(schedule.take_due(kStart + milliseconds(300)).beat);

  EXPECT_EQ(schedule.next_look(), kStart + milliseconds(1300));
  EXPECT_FALSE(schedule.take_due(kStart + milliseconds(1299)).beat);
  EXPECT_TRUE(schedule.take_due(kStart + milliseconds(1300)).beat);
}

TEST(WatchdogSchedule, LooksAgainWhenTheFirstOfSeveralIsLate) {
  WatchdogSchedule schedule(kStart + seconds(9), false);
  Request sooner, later;

  schedule.enroll(1, kStart + seconds(3), later);
  EXPECT_EQ(schedule.next_look(), kStart + seconds(3));
  schedule.enroll(2, kStart + seconds(2), sooner);
  EXPECT_EQ(schedule.next_look(), kStart + seconds(2));
}

TEST(WatchdogSchedule, ARequestIsLateOnceAtItsDeadline) {
  WatchdogSchedule schedule(kNever, false);
  Request request, other;
  schedule.enroll(7, kStart, request);
  schedule.enroll(8, kStart + seconds(1), other);

  EXPECT_EQ(ids_of(schedule.take_due(kStart - milliseconds(1))), Ids());
  EXPECT_EQ(ids_of(schedule.take_due(kStart)), Ids({{7, WSGIX_DEADLINE_PASSED}}));
  EXPECT_EQ(ids_of(schedule.take_due(kStart)), Ids());
  EXPECT_EQ(schedule.next_look(), kStart + seconds(1));
}

TEST(WatchdogSchedule, ALateRequestCanBeFoundUntilItIsWithdrawn) {
  WatchdogSchedule schedule(kNever, false);
  Request request;
  schedule.enroll(7, kStart, request);
  schedule.take_due(kStart);

  EXPECT_EQ(schedule.find(7), &request);
  schedule.withdraw(7);
  EXPECT_EQ(schedule.find(7), nullptr);
}

TEST(WatchdogSchedule, LooksForClientsFourTimesASecondWhileThereIsARequest) {
  WatchdogSchedule schedule(kNever, true);
  Request request;
  EXPECT_EQ(schedule.next_look(), kNever);
  schedule.take_due(kStart);

  schedule.enroll(7, kNever, request);

  EXPECT_EQ(schedule.next_look(), kStart + milliseconds(250));
  EXPECT_EQ(ids_of(schedule.take_due(kStart + milliseconds(250))), Ids());
  request.gone = true;
  EXPECT_EQ(ids_of(schedule.take_due(kStart + milliseconds(500))), Ids({{7, WSGIX_CLIENT_LEFT}}));
  EXPECT_EQ(schedule.next_look(), kNever);
}

TEST(WatchdogSchedule, LooksAtOnceAtTheClientOfTheFirstRequestForLong) {
  WatchdogSchedule schedule(kNever, true);
  Request request;

  schedule.enroll(7, kNever, request);

  EXPECT_LT(schedule.next_look(), kStart);
}

TEST(WatchdogSchedule, ADeadlineExplainsMoreThanAClientThatHasGone) {
  WatchdogSchedule schedule(kNever, true);
  Request request;
  request.gone = true;
  schedule.enroll(7, kStart, request);

  EXPECT_EQ(ids_of(schedule.take_due(kStart)), Ids({{7, WSGIX_DEADLINE_PASSED}}));
}

TEST(WatchdogSchedule, WithoutThatDutyAClientThatHasGoneIsNoReason) {
  WatchdogSchedule schedule(kNever, false);
  Request request;
  request.gone = true;
  schedule.enroll(7, kNever, request);

  EXPECT_EQ(ids_of(schedule.take_due(kStart)), Ids());
}

// ---- the thread ----

class RequestWatchdogTest : public ::testing::Test {
 protected:
  RequestWatchdogTest() { python = &fake_; }
  FakePython fake_;
  Lines log_;
};

TEST_F(RequestWatchdogTest, BeatsAtOnceAndAgain) {
  std::atomic<int> told = 0;
  const RequestWatchdog watchdog(table(), {[&] { ++told; }, false, log_});

  EXPECT_TRUE(fake_.await([&] { return fake_.beats >= 2; }));
  EXPECT_GE(told, 1);
}

TEST_F(RequestWatchdogTest, ExplainsAndInterruptsARequestThatIsLate) {
  RequestWatchdog watchdog(table(), {{}, false, log_});
  Request request;

  watchdog.enroll(7, Clock::now(), request);

  ASSERT_TRUE(fake_.await([&] { return !fake_.interrupted.empty(); }));
  watchdog.withdraw(7);
  EXPECT_EQ(fake_.interrupted[0], (std::pair<std::uint64_t, int>(7, WSGIX_DEADLINE_PASSED)));
  EXPECT_NE(request.log.find("WX6015: GET /late is over its time"), std::string::npos)
      << request.log;
  EXPECT_NE(request.log.find("in view"), std::string::npos) << request.log;
}

TEST_F(RequestWatchdogTest, DoesNotWaitForItsNextBeatWhenARequestIsDueSooner) {
  RequestWatchdog watchdog(table(), {[] {}, false, log_});
  constexpr int kRequests = 20;

  for (int id = 1; id <= kRequests; ++id) {
    Request request;
    watchdog.enroll(static_cast<std::uint64_t>(id), Clock::now(), request);
    ASSERT_TRUE(
        fake_.await([&] { return fake_.interrupted.size() == static_cast<std::size_t>(id); }));
    watchdog.withdraw(static_cast<std::uint64_t>(id));
  }

  const std::lock_guard lock(fake_.mutex);
  EXPECT_LT(fake_.beats, kRequests / 2);
}

TEST_F(RequestWatchdogTest, InterruptsWithoutAWordWhoseClientHasGone) {
  RequestWatchdog watchdog(table(), {{}, true, log_});
  Request request;
  watchdog.enroll(7, kNever, request);

  request.gone = true;

  ASSERT_TRUE(fake_.await([&] { return !fake_.interrupted.empty(); }));
  watchdog.withdraw(7);
  EXPECT_EQ(fake_.interrupted[0], (std::pair<std::uint64_t, int>(7, WSGIX_CLIENT_LEFT)));
  EXPECT_EQ(request.log, "");
}

TEST_F(RequestWatchdogTest, LeavesARequestAloneThatEndedWhileItWasExplained) {
  RequestWatchdog watchdog(table(), {[] {}, false, log_});
  Request request;
  fake_.before_stacks = [&] { watchdog.withdraw(7); };

  watchdog.enroll(7, Clock::now(), request);

  EXPECT_TRUE(fake_.await([&] { return fake_.beats >= 2; }));
  EXPECT_TRUE(fake_.interrupted.empty());
  EXPECT_EQ(request.log, "");
}

TEST_F(RequestWatchdogTest, WritesTheStacksOfAllWhenAsked) {
  RequestWatchdog watchdog(table(), {{}, false, log_});

  watchdog.write_stacks();

  EXPECT_TRUE(fake_.await([&] { return log_.text == "in view\n"; }));
}

}  // namespace
}  // namespace wsgix::runtime

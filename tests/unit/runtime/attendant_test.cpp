// SPDX-License-Identifier: Apache-2.0
#include "wsgix/runtime/attendant.hpp"

#include <gtest/gtest.h>

#include <atomic>

namespace wsgix::runtime {
namespace {

/// What the attendant did to Python. One at a time: the table has no context.
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

class Request final : public Attended {
 public:
  bool client_is_gone() const noexcept override { return gone; }
  std::string describe() const override { return "GET /late"; }
  void log_line(LogLevel, std::string_view line) noexcept override {
    log += std::string(line) + "\n";
  }
  std::atomic<bool> gone = false;
  std::string log;  ///< read only after withdraw()
};

class AttendantTest : public ::testing::Test {
 protected:
  AttendantTest() { python = &fake_; }
  FakePython fake_;
  Lines log_;
};

TEST_F(AttendantTest, BeatsAtOnceAndAgain) {
  std::atomic<int> told = 0;
  const Attendant attendant(table(), {[&] { ++told; }, false, log_});

  EXPECT_TRUE(fake_.await([&] { return fake_.beats >= 2; }));
  EXPECT_GE(told, 1);
}

TEST_F(AttendantTest, ExplainsAndInterruptsARequestThatIsLate) {
  Attendant attendant(table(), {{}, false, log_});
  Request request;

  attendant.enroll(7, Clock::now(), request);

  ASSERT_TRUE(fake_.await([&] { return !fake_.interrupted.empty(); }));
  attendant.withdraw(7);
  EXPECT_EQ(fake_.interrupted[0], (std::pair<std::uint64_t, int>(7, WSGIX_DEADLINE_PASSED)));
  EXPECT_NE(request.log.find("WX6015: GET /late is over its time"), std::string::npos)
      << request.log;
  EXPECT_NE(request.log.find("in view"), std::string::npos) << request.log;
}

TEST_F(AttendantTest, IsOnTimeForARequestThatComesWhileItHasNothingToDo) {
  Attendant attendant(table(), {{}, false, log_});
  std::this_thread::sleep_for(milliseconds(50));
  Request request;
  const auto began = Clock::now();

  attendant.enroll(7, after(milliseconds(100)), request);

  ASSERT_TRUE(fake_.await([&] { return !fake_.interrupted.empty(); }));
  attendant.withdraw(7);
  EXPECT_GE(Clock::now() - began, milliseconds(100));
  EXPECT_LT(Clock::now() - began, seconds(5));
}

TEST_F(AttendantTest, InterruptsWithoutAWordWhoseClientHasGone) {
  Attendant attendant(table(), {{}, true, log_});
  Request request;
  attendant.enroll(7, kNever, request);

  request.gone = true;

  ASSERT_TRUE(fake_.await([&] { return !fake_.interrupted.empty(); }));
  attendant.withdraw(7);
  EXPECT_EQ(fake_.interrupted[0], (std::pair<std::uint64_t, int>(7, WSGIX_CLIENT_LEFT)));
  EXPECT_EQ(request.log, "");
}

TEST_F(AttendantTest, LooksAtTheClientOfARequestThatComesWhileItHasNothingToDo) {
  Attendant attendant(table(), {{}, true, log_});
  std::this_thread::sleep_for(milliseconds(50));
  Request request;
  request.gone = true;

  attendant.enroll(7, kNever, request);

  ASSERT_TRUE(fake_.await([&] { return !fake_.interrupted.empty(); }));
  attendant.withdraw(7);
  EXPECT_EQ(fake_.interrupted[0], (std::pair<std::uint64_t, int>(7, WSGIX_CLIENT_LEFT)));
}

TEST_F(AttendantTest, LeavesARequestAloneThatEndedWhileItWasExplained) {
  Attendant attendant(table(), {[] {}, false, log_});
  Request request;
  fake_.before_stacks = [&] { attendant.withdraw(7); };

  attendant.enroll(7, Clock::now(), request);

  EXPECT_TRUE(fake_.await([&] { return fake_.beats >= 2; }));
  EXPECT_TRUE(fake_.interrupted.empty());
  EXPECT_EQ(request.log, "");
}

TEST_F(AttendantTest, WritesTheStacksOfAllWhenAsked) {
  Attendant attendant(table(), {{}, false, log_});

  attendant.write_stacks();

  EXPECT_TRUE(fake_.await([&] { return log_.text == "in view\n"; }));
}

}  // namespace
}  // namespace wsgix::runtime

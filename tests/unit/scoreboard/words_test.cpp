// SPDX-License-Identifier: Apache-2.0
#include "wsgix/scoreboard/words.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include <csignal>

#include "wsgix/scoreboard/threads.hpp"
#include "wsgix/scoreboard/waiting.hpp"

namespace wsgix::scoreboard {
namespace {

using namespace std::chrono_literals;

struct Shared {
  UniqueFd fd = std::move(*create());
  Mapping board = std::move(*map(fd.get()));
};

constexpr int kKilled = SIGKILL;       // as waitpid(2) reports a signal
constexpr int kExitedWithOne = 0x100;  // and an exit code

TEST(SpanInWords, HasTheUnitThatFits) {
  EXPECT_EQ(in_words(-5ms), "0 ms");
  EXPECT_EQ(in_words(850ms), "850 ms");
  EXPECT_EQ(in_words(2500ms), "2.5 s");
  EXPECT_EQ(in_words(31s), "31 s");
}

TEST(Load, OfAnIdleGroupIsOneNumber) {
  Shared shared;

  EXPECT_EQ(describe_load(*shared.board, 0, 6), "0 of 6 threads are busy");
}

TEST(Load, NamesWhoWaitsAndWhatHoldsTheThreads) {
  Shared shared;
  HeldThreadSlot one(*shared.board, 100, 101);
  HeldThreadSlot two(*shared.board, 100, 102);
  HeldThreadSlot three(*shared.board, 200, 201);
  one.begin(1, "GET", "/report?month=1", 0);
  two.begin(2, "GET", "/report?month=2", 0);
  three.begin(3, "POST", "/import", 0);
  shared.board->threads[2].since_us = now_us() - 31'000'000;
  const HeldWaitSlot waiting(*shared.board, static_cast<std::uint32_t>(::getpid()));
  shared.board->waiting[0].since_us = now_us() - 2'000'000;

  EXPECT_EQ(describe_load(*shared.board, 3, 3),
            "3 of 3 threads are busy; 1 request waits, the oldest for 2.0 s; 2 of the running "
            "requests are GET /report; the longest is POST /import in worker pid 200 for 31 s");
}

TEST(Ends, WithoutAReasonAreWhatTheKernelSays) {
  EXPECT_EQ(describe({kKilled, EndReason::None}), "was killed by signal 9 (SIGKILL)");
  EXPECT_EQ(describe({kExitedWithOne, EndReason::None}), "exited with code 1");
  EXPECT_EQ(describe({kExitedWithOne, static_cast<EndReason>(4711)}), "exited with code 1");
}

TEST(Ends, SayWhatTheWorkerDidOrSuffered) {
  EXPECT_EQ(describe({kKilled, EndReason::MemoryExceeded}),
            "was killed by signal 9 (SIGKILL): it exceeded memory-recycle=");
  EXPECT_EQ(describe({kKilled, EndReason::OutOfMemory}),
            "was killed by signal 9 (SIGKILL): the kernel ran out of memory");
}

TEST(Ends, NameTheRequestThatDidNotComeBack) {
  const Death death{kKilled, EndReason::RequestTimeout};

  EXPECT_EQ(describe(death, "GET /report"),
            "was killed by signal 9 (SIGKILL): request GET /report did not come back within its "
            "time limit");
  EXPECT_EQ(describe(death),
            "was killed by signal 9 (SIGKILL): a request did not come back within its time limit");
}

TEST(Ends, SayWhetherTheRequestsWereGivenTime) {
  EXPECT_EQ(describe({kKilled, EndReason::Replaced}),
            "was killed by signal 9 (SIGKILL): its group was replaced, and its requests did not "
            "end in time");
  EXPECT_EQ(describe({kExitedWithOne, EndReason::Replaced}),
            "exited with code 1: its group was replaced");
}

TEST(Ends, HaveWordsForEveryReason) {
  for (auto reason = static_cast<unsigned>(EndReason::Shutdown);
       reason <= static_cast<unsigned>(EndReason::OutOfMemory); ++reason) {
    const std::string text = describe({kExitedWithOne, static_cast<EndReason>(reason)});
    EXPECT_TRUE(text.starts_with("exited with code 1: ")) << reason;
  }
}

}  // namespace
}  // namespace wsgix::scoreboard

// SPDX-License-Identifier: Apache-2.0
#include "host/slots.hpp"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include "wsgix/scoreboard/threads.hpp"

namespace wsgix::host {
namespace {

using scoreboard::WorkerState;

class SlotsTest : public testing::Test {
 protected:
  static std::uint32_t self() { return static_cast<std::uint32_t>(::getpid()); }
  static pid_t dead_process() {
    const pid_t pid = ::fork();
    if (pid == 0) ::_exit(0);
    ::waitpid(pid, nullptr, 0);
    return pid;
  }

  const UniqueFd memory_ = std::move(*scoreboard::create());
  const scoreboard::Mapping board_ = std::move(*scoreboard::map(memory_.get()));
  Slots slots_{*board_};
};

TEST_F(SlotsTest, APlaceHasAHolderFromTheBeginning) {
  ASSERT_EQ(slots_.take(), 0u);
  EXPECT_EQ(board_->workers[0].pid.load(), self());
  EXPECT_EQ(board_->workers[0].state.load(), WorkerState::Starting);
  EXPECT_EQ(slots_.take(), 1u);
}

TEST_F(SlotsTest, TakesBackWhatTheDeadHold) {
  const pid_t dead = dead_process();
  Slots of_another_host(*board_);
  of_another_host.take();
  slots_.take();
  of_another_host.show(0, dead, WorkerState::Ready, 1);
  slots_.show(1, ::getpid(), WorkerState::Ready, 1);
  const scoreboard::HeldThreadSlot left_behind(*board_, static_cast<std::uint32_t>(dead), 1);

  slots_.reclaim_from_the_dead();

  EXPECT_EQ(board_->workers[0].state.load(), WorkerState::Free);
  EXPECT_EQ(board_->workers[0].pid.load(), 0u);
  EXPECT_EQ(board_->threads[0].pid.load(), 0u);
  EXPECT_EQ(board_->workers[1].state.load(), WorkerState::Ready);
  EXPECT_EQ(board_->ready_workers.load(), 1u);
}

TEST_F(SlotsTest, NothingOnTheBoardKeepsAWorkerFromStarting) {
  for (auto& slot : board_->workers) {
    slot.pid.store(1);
    slot.state.store(WorkerState::Ready);
  }
  slots_.reclaim_from_the_dead();

  const auto one = slots_.take();
  const auto other = slots_.take();

  ASSERT_TRUE(one && other);
  EXPECT_NE(*one, *other);
  EXPECT_EQ(board_->workers[*one].pid.load(), self());
}

TEST_F(SlotsTest, ASlotOfItsOwnIsNotGivenAwayWhenTheBoardSaysItIsFree) {
  ASSERT_EQ(slots_.take(), 0u);
  board_->workers[0].pid.store(0);

  EXPECT_EQ(slots_.take(), 1u);
}

TEST_F(SlotsTest, SaysHowFarTheWorkersReach) {
  for (int i = 0; i < 3; ++i) slots_.take();
  slots_.free(0, self());
  slots_.free(1, self());

  slots_.show_totals();
  EXPECT_EQ(board_->used_slots.load(), 3u);
  slots_.free(2, self());
  slots_.show_totals();

  EXPECT_EQ(board_->used_slots.load(), 0u);
}

TEST_F(SlotsTest, APlaceThatAnotherHasNowIsNotFreed) {
  slots_.take();
  slots_.show(0, 4711, WorkerState::Ready, 1);

  slots_.free(0, 4712);
  EXPECT_EQ(board_->workers[0].state.load(), WorkerState::Ready);
  slots_.free(0, 4711);

  EXPECT_EQ(board_->workers[0].state.load(), WorkerState::Free);
  EXPECT_EQ(slots_.take(), 0u);
}

}  // namespace
}  // namespace wsgix::host

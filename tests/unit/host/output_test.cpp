// SPDX-License-Identifier: Apache-2.0
#include "host/output.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <string>

#include "wsgix/os/descriptors.hpp"
#include "wsgix/os/error_log.hpp"

namespace wsgix::host {
namespace {

/// Outputs that log to a pipe, which the test reads.
class OutputsTest : public testing::Test {
 protected:
  UniqueFd add(pid_t worker) {
    auto pipe = std::move(*os::make_output_pipe());
    outputs_.add(worker, std::move(pipe.read_end));
    return std::move(pipe.write_end);
  }
  std::string logged() {
    char bytes[65536];
    for (ssize_t count; (count = ::read(log_.read_end.get(), bytes, sizeof bytes)) > 0;) {
      text_.append(bytes, static_cast<std::size_t>(count));
    }
    return text_;
  }
  static void print(const UniqueFd& to, std::string_view text) {
    EXPECT_EQ(::write(to.get(), text.data(), text.size()), static_cast<ssize_t>(text.size()));
  }
  bool has(const std::string& part) { return logged().find(part) != std::string::npos; }
  std::size_t watched() const {
    os::PollSet all;
    outputs_.watch(all);
    return all.watched().size();
  }

  os::Pipe log_ = std::move(*os::make_pipe());
  Outputs outputs_{"shop", log_.write_end.get(), LogLevel::Info};
  const Deadline now_ = Clock::now();
  std::string text_;
};

TEST_F(OutputsTest, EachWorkersLinesCarryItsPid) {
  const UniqueFd one = add(11);
  const UniqueFd two = add(22);
  print(one, "first half, ");
  print(two, "of the other\n");

  outputs_.serve(now_);
  print(one, "second half\n");
  outputs_.serve(now_);

  EXPECT_TRUE(has("[wsgi:error] [pid 11] first half, second half\n")) << logged();
  EXPECT_TRUE(has("[wsgi:error] [pid 22] of the other\n")) << logged();
}

TEST_F(OutputsTest, AForgedLineIsText) {
  const UniqueFd worker = add(11);
  print(worker, "\n[Sun Nov 22 13:01:13 2026] [core:emerg] [pid 1] \x1b[1mhelp\r[core:\n");

  outputs_.serve(now_);

  EXPECT_TRUE(
      has("] [wsgi:error] [pid 11] [Sun Nov 22 13:01:13 2026] [core:emerg] [pid 1] "
          "\\x1b[1mhelp\\r[core:\n"))
      << logged();
}

TEST_F(OutputsTest, ALineWithoutAnEndIsWrittenWhenNothingFollows) {
  const UniqueFd worker = add(11);
  print(worker, "Password: ");
  outputs_.serve(now_);
  outputs_.serve(now_);
  EXPECT_EQ(logged(), "");
  EXPECT_EQ(outputs_.next_deadline(), now_ + Outputs::kPatience);

  outputs_.serve(now_ + Outputs::kPatience);

  EXPECT_TRUE(has("[pid 11] Password: \n")) << logged();
  EXPECT_EQ(outputs_.next_deadline(), kNever);
}

// A turn may take long, for a logger that is stopped: its time says nothing about what came in it.
TEST_F(OutputsTest, ALineIsNotCutForTheTimeThatATurnHasTaken) {
  const UniqueFd worker = add(11);
  print(worker, "first half, ");
  outputs_.serve(now_);
  EXPECT_EQ(outputs_.next_deadline(), Deadline{}) << "the next turn is due at once";

  outputs_.serve(now_ + Outputs::kPatience * 10);
  print(worker, "second half\n");
  outputs_.serve(now_ + Outputs::kPatience * 10);

  EXPECT_TRUE(has("first half, second half\n")) << logged();
}

TEST_F(OutputsTest, EverythingAWorkerWroteIsThereWhenItHasEnded) {
  UniqueFd worker = add(11);
  std::string lines;
  for (int i = 0; i < 700; ++i) lines += "line\n";
  print(worker, lines + "and half a one");
  worker.reset();
  // A pipe of the log that holds all of it.
  ASSERT_GT(::fcntl(log_.write_end.get(), F_SETPIPE_SZ, 1 << 20), 0);

  outputs_.worker_ended(11);

  EXPECT_EQ(std::count(text_.begin(), text_.end(), '\n'), 0);
  EXPECT_EQ(std::ranges::count(logged(), '\n'), 701);
  EXPECT_TRUE(has("half a one\n"));
  EXPECT_EQ(watched(), 0u);
}

TEST_F(OutputsTest, WhatAWorkerHasStartedIsReadAfterItsEnd) {
  UniqueFd daemon = add(11);
  outputs_.worker_ended(11);
  const UniqueFd next = add(11);  // its pid may come again

  print(daemon, "still here\n");
  outputs_.serve(now_);

  EXPECT_TRUE(has("[pid 11] still here\n"));
  EXPECT_EQ(watched(), 2u);
  daemon.reset();
  outputs_.serve(now_);
  EXPECT_EQ(watched(), 1u);
}

TEST_F(OutputsTest, TheOldestLeftBehindIsGivenUpAtABound) {
  std::vector<UniqueFd> left;
  for (pid_t pid = 1000; pid <= 1000 + static_cast<pid_t>(Outputs::kMostLeftBehind); ++pid) {
    left.push_back(add(pid));
    outputs_.worker_ended(pid);
  }

  EXPECT_EQ(watched(), Outputs::kMostLeftBehind);
  EXPECT_TRUE(has("WX2025: group 'shop': ")) << logged();
  EXPECT_TRUE(has("worker 1000 print"));
}

TEST_F(OutputsTest, AFloodTakesTurns) {
  const UniqueFd worker = add(11);
  print(worker, std::string(2000, '\n'));
  ASSERT_GT(::fcntl(log_.write_end.get(), F_SETPIPE_SZ, 1 << 20), 0);

  outputs_.serve(now_);

  const auto first_turn = std::ranges::count(logged(), '\n');
  EXPECT_LT(first_turn, 1000);
  EXPECT_LE(outputs_.next_deadline(), now_);  // at once again
  for (int turn = 0; turn < 10; ++turn) outputs_.serve(now_);
  EXPECT_EQ(std::ranges::count(logged(), '\n'), 2000);
}

TEST_F(OutputsTest, AFullLogHoldsUpTheWorkersAndNotTheSupervisor) {
  const UniqueFd worker = add(11);
  while (::write(log_.write_end.get(), std::string(4096, '.').data(), 4096) > 0) {
  }
  print(worker, "waits\n");

  outputs_.serve(now_);

  os::PollSet all;
  outputs_.watch(all);
  ASSERT_EQ(all.watched().size(), 1u);
  EXPECT_EQ(all.watched()[0].fd, log_.write_end.get());
  EXPECT_EQ(outputs_.next_deadline(), kNever);
  (void)logged();
  outputs_.serve(now_);
  EXPECT_TRUE(has("[pid 11] waits\n"));
}

TEST_F(OutputsTest, ALineOfOurOwnKeepsItsLevel) {
  const UniqueFd worker = add(::getpid());
  os::RelayedLog log(worker.get(), LogLevel::Info);

  log.write(LogLevel::Warning, "WX6016: two\nlines");
  log.write(LogLevel::Debug, "not wanted");
  outputs_.serve(now_);

  EXPECT_TRUE(has("[wsgi:warn] [pid " + std::to_string(::getpid()) + ":tid ")) << logged();
  EXPECT_TRUE(has("] WX6016: two\\nlines\n")) << logged();
  EXPECT_FALSE(has("not wanted"));
}

TEST(RelayedLog, WritesAsBeforeWhereItsDescriptorIsNotThePipeAnyMore) {
  const auto relay = std::move(*os::make_output_pipe());
  const auto other = std::move(*os::make_pipe());
  const UniqueFd descriptor(::fcntl(relay.write_end.get(), F_DUPFD_CLOEXEC, 0));
  os::RelayedLog log(descriptor.get(), LogLevel::Info);

  ::dup3(other.write_end.get(), descriptor.get(), O_CLOEXEC);
  log.write(LogLevel::Error, "in a file of its own");

  char bytes[512];
  const ssize_t count = ::read(other.read_end.get(), bytes, sizeof bytes);
  ASSERT_GT(count, 0);
  const std::string_view line(bytes, static_cast<std::size_t>(count));
  EXPECT_TRUE(line.starts_with("[")) << line;
  EXPECT_TRUE(line.ends_with("] in a file of its own\n")) << line;
}

}  // namespace
}  // namespace wsgix::host

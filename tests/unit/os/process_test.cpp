// SPDX-License-Identifier: Apache-2.0
// Signals, children, titles, threads and the poller.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstring>

#include "wsgix/os/child.hpp"
#include "wsgix/os/descriptors.hpp"
#include "wsgix/os/error_log.hpp"
#include "wsgix/os/poller.hpp"
#include "wsgix/os/process_title.hpp"
#include "wsgix/os/signals.hpp"
#include "wsgix/os/thread.hpp"

namespace wsgix::os {
namespace {

TEST(SignalPipe, ReportsEachSignalInOrder) {
  auto signals = SignalPipe::open({SIGUSR1, SIGUSR2});
  ASSERT_TRUE(signals);

  ::raise(SIGUSR2);
  ::raise(SIGUSR1);

  EXPECT_EQ(signals->take(), (std::vector<int>{SIGUSR2, SIGUSR1}));
  EXPECT_TRUE(signals->take().empty());
}

TEST(SignalPipe, DoesNotAnswerForAProcessTheApplicationForked) {
  auto signals = SignalPipe::open({SIGTERM});
  ASSERT_TRUE(signals);

  auto child = fork_child();
  ASSERT_TRUE(child);
  if (child->pid() == 0) {
    ::raise(SIGTERM);
    ::_exit(7);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child->release(), &status, 0) > 0, true);

  EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM);
  EXPECT_TRUE(signals->take().empty()) << "its signal reached the wrong process";
}

TEST(Child, IsKilledAndReapedWithItsOwner) {
  pid_t pid = 0;
  {
    auto child = fork_child();
    if (child->pid() == 0) {
      for (;;) ::pause();
    }
    pid = child->pid();
    EXPECT_EQ(child->reap(), std::nullopt) << "it is alive";
  }
  EXPECT_NE(::kill(pid, 0), 0);
}

TEST(Child, SaysHowItEnded) {
  EXPECT_EQ(describe_end(3 << 8), "exited with code 3");
  EXPECT_EQ(describe_end(SIGKILL), "was killed by signal 9 (SIGKILL)");
  EXPECT_EQ(describe_end(SIGSEGV | 0x80), "was killed by signal 11 (SIGSEGV), core dumped");
}

TEST(ProcessTitle, OverwritesTheArgumentsAndStaysInsideThem) {
  char area[34] = "wsgix-host     \0--serve\0PATH=/bin";
  char* arguments[] = {area, area + 16, nullptr};
  char before[16] = {};
  ::prctl(PR_GET_NAME, before);
  claim_title_area(2, arguments);

  set_process_title("(wsgi:shop)");
  EXPECT_STREQ(area, "(wsgi:shop)");
  EXPECT_EQ(std::memcmp(area + 24, "PATH", 4), 0);
  char name[16] = {};
  ::prctl(PR_GET_NAME, name);
  EXPECT_STREQ(name, "(wsgi:shop)");

  set_process_title(std::string(100, 'x'));
  EXPECT_EQ(std::strlen(area), 23u);
  EXPECT_EQ(std::memcmp(area + 24, "PATH", 4), 0);
  claim_title_area(0, nullptr);
  char nothing[1] = "";
  char* empty[] = {nothing, nullptr};
  claim_title_area(1, empty);  // the test's memory is about to go
  ::prctl(PR_SET_NAME, before);
}

TEST(ErrorLog, WritesLinesAsHttpdDoes) {
  ::setenv("TZ", "UTC", 1);
  ::tzset();

  EXPECT_EQ(format_log_line(LogLevel::Error, "WX2008: gone\n\x1b[0m\tx", {1795352473, 42}, 12, 34),
            "[Sun Nov 22 13:01:13.000042 2026] [wsgi:error] [pid 12:tid 34] "
            "WX2008: gone\\n\\x1b[0m\\tx\n");
}

TEST(ErrorLog, NamesAThreadThatItKnows) {
  const std::string line = format_log_line(LogLevel::Error, "x", {0, 0}, 12, 0);

  EXPECT_TRUE(line.ends_with(" [wsgi:error] [pid 12] x\n")) << line;
}

TEST(ErrorLog, EscapesLikeHttpdSoThatOneReaderReadsBoth) {
  const std::string line = format_log_line(LogLevel::Error, "\\x1b \xd0\xb6\"", {0, 0}, 1, 1);

  EXPECT_TRUE(line.ends_with("] \\\\x1b \\xd0\\xb6\"\n")) << line;
}

TEST(ErrorLog, LosesNothingOfALongLine) {
  auto pipe = make_pipe();
  ErrorLog log(pipe->write_end.get(), LogLevel::Error);

  log.write(LogLevel::Error, std::string(8000, 'x'));

  char bytes[16384] = {};
  const ssize_t count = ::read(pipe->read_end.get(), bytes, sizeof bytes);
  ASSERT_GT(count, 0);
  const std::string_view written(bytes, static_cast<std::size_t>(count));
  EXPECT_EQ(std::count(written.begin(), written.end(), 'x'), 8000);
  EXPECT_EQ(std::count(written.begin(), written.end(), '\n'), 3);
  EXPECT_LT(written.find('\n'), 4096u);
}

// What an application does to the flags of its log must not reach httpd's.
TEST(ErrorLog, OpenedAnewHasFlagsOfItsOwn) {
  char name[] = "/tmp/wsgix-log-XXXXXX";
  const UniqueFd shared(::mkostemp(name, O_APPEND | O_CLOEXEC));
  ::unlink(name);
  auto own = open_anew(shared.get());
  ASSERT_TRUE(own);
  EXPECT_EQ(::fcntl(own->get(), F_GETFL) & (O_ACCMODE | O_APPEND | O_NONBLOCK),
            O_WRONLY | O_APPEND);

  ASSERT_EQ(::fcntl(own->get(), F_SETFL, 0), 0);

  EXPECT_NE(::fcntl(shared.get(), F_GETFL) & O_APPEND, 0);
}

TEST(ErrorLog, OpenedAnewSharesWhatCannotBeOpened) {
  auto pair = make_message_pair();
  ASSERT_TRUE(pair);
  EXPECT_TRUE(open_anew(pair->one.get()));
  EXPECT_FALSE(open_anew(-1));
}

TEST(ErrorLog, DropsWhatIsBelowItsLevel) {
  auto pipe = make_pipe();
  ErrorLog log(pipe->write_end.get(), LogLevel::Warning);

  log.write(LogLevel::Info, "quiet");
  log.write(LogLevel::Warning, "loud");

  char bytes[512] = {};
  const ssize_t count = ::read(pipe->read_end.get(), bytes, sizeof bytes - 1);
  ASSERT_GT(count, 0);
  EXPECT_EQ(std::string(bytes).find("quiet"), std::string::npos);
  EXPECT_NE(std::string(bytes).find("[wsgi:warn] "), std::string::npos);
  EXPECT_EQ(std::string(bytes).find('\n'), static_cast<std::size_t>(count) - 1);
}

TEST(Thread, RunsWithTheStackItAskedFor) {
  std::size_t stack = 0;
  {
    auto thread = Thread::start(3 << 20, [&] {
      pthread_attr_t attributes;
      ::pthread_getattr_np(::pthread_self(), &attributes);
      ::pthread_attr_getstacksize(&attributes, &stack);
      ::pthread_attr_destroy(&attributes);
    });
    ASSERT_TRUE(thread);
  }
  EXPECT_GE(stack, 3u << 20);
  EXPECT_FALSE(Thread::start(1, [] {})) << "too small for the system";
}

TEST(Poller, ReportsOnceUntilRearmedAndWakesEverybody) {
  auto poller = Poller::create();
  auto pipe = make_pipe();
  int subject = 0;
  ASSERT_TRUE(poller->add(pipe->read_end.get(), Interest::Readable, &subject));
  ASSERT_EQ(::write(pipe->write_end.get(), "x", 1), 1);

  EXPECT_EQ(poller->wait(), &subject);
  EXPECT_TRUE(poller->rearm(pipe->read_end.get(), Interest::Readable, &subject));
  EXPECT_EQ(poller->wait(), &subject);
  poller->wake_all();
  EXPECT_EQ(poller->wait(), std::nullopt);
  EXPECT_EQ(poller->wait(), std::nullopt);
  poller->remove(pipe->read_end.get());
  EXPECT_FALSE(poller->rearm(pipe->read_end.get(), Interest::Readable, &subject));
}

}  // namespace
}  // namespace wsgix::os

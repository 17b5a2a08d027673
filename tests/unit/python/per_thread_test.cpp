// SPDX-License-Identifier: Apache-2.0
#include "python/per_thread.hpp"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <thread>

namespace wsgix::python {
namespace {

std::atomic<int> ended = 0;

struct Counted {
  ~Counted() { ++ended; }
  int value = 0;
};

struct WouldBlockTheExit {
  ~WouldBlockTheExit() { ::_exit(3); }
  int value = 0;
};

struct Writes {
  ~Writes() { ++per_thread<Counted>().value; }
  int value = 0;
};

TEST(PerThread, GivesEachThreadItsOwnAndAlwaysTheSame) {
  per_thread<Counted>().value = 7;
  std::thread([] {
    EXPECT_EQ(per_thread<Counted>().value, 0);
    per_thread<Counted>().value = 8;
  }).join();
  EXPECT_EQ(per_thread<Counted>().value, 7);
}

TEST(PerThread, EndsWithItsThread) {
  const int before = ended;
  std::thread([] { per_thread<Counted>().value = 1; }).join();
  EXPECT_EQ(ended, before + 1);
}

// A thread_local object's destructor would run here, on the thread that calls exit().
TEST(PerThread, DoesNotEndWithTheProcess) {
  const pid_t child = ::fork();
  if (child == 0) {
    per_thread<WouldBlockTheExit>().value = 1;
    std::exit(0);
  }
  int status = -1;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_EQ(WEXITSTATUS(status), 0);
}

// Python code that runs while the thread's references go may write to sys.stdout.
TEST(PerThread, OneThatIsAskedForAtTheEndOfAThreadEndsToo) {
  const int before = ended;
  std::thread([] {
    per_thread<Counted>().value = 1;
    per_thread<Writes>().value = 1;
  }).join();
  EXPECT_GE(ended, before + 1);
  const int after_first = ended;
  std::thread([] { per_thread<Writes>().value = 1; }).join();
  EXPECT_EQ(ended, after_first + 1);
}

}  // namespace
}  // namespace wsgix::python

// SPDX-License-Identifier: Apache-2.0
#include "wsgix/os/forked_copies.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <cstdlib>
#include <functional>
#include <string>
#include <thread>

#include "wsgix/base/own_descriptors.hpp"
#include "wsgix/base/unique_fd.hpp"
#include "wsgix/os/descriptors.hpp"

namespace wsgix::os {
namespace {

/// Runs `question` in a process that forks once declared and asks in the copy. The test program
/// itself is never declared: its other tests fork for reasons of their own.
bool holds_in_copy(const std::function<void()>& prepare, const std::function<bool()>& question) {
  const pid_t server = ::fork();
  if (server == 0) {
    declare_original_process(ExitHandlers::Left);
    prepare();
    const pid_t copy = ::fork();
    if (copy == 0) ::_exit(question() ? 0 : 1);
    int status = 0;
    ::waitpid(copy, &status, 0);
    ::_exit(WIFEXITED(status) ? WEXITSTATUS(status) : 99);
  }
  int status = 0;
  ::waitpid(server, &status, 0);
  return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

UniqueFd null_device() { return UniqueFd(::open("/dev/null", O_RDONLY | O_CLOEXEC)); }

TEST(ForkedCopies, CloseWhatTheServerOwnsAndKeepWhatItDoesNot) {
  UniqueFd owned = null_device();
  const int foreign = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
  EXPECT_TRUE(holds_in_copy([] {}, [&] { return !is_open(owned.get()) && is_open(foreign); }));
  EXPECT_TRUE(is_open(owned.get()));
  ::close(foreign);
}

TEST(ForkedCopies, ForgetADescriptorThatWasClosedNormally) {
  UniqueFd owned = null_device();
  const int number = owned.get();
  owned.reset();
  const int applications = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
  ASSERT_EQ(applications, number);
  EXPECT_TRUE(holds_in_copy([] {}, [=] { return is_open(applications); }));
  ::close(applications);
}

TEST(ForkedCopies, ForgetADescriptorThatWasGivenAway) {
  UniqueFd owned = null_device();
  const UniqueFd moved = std::move(owned);
  EXPECT_TRUE(own_descriptors::contains(moved.get()));
  UniqueFd other = null_device();
  const int released = other.release();
  EXPECT_FALSE(own_descriptors::contains(released));
  ::close(released);
}

TEST(ForkedCopies, KeepAFileThatHasTheNumberOfABorrowedSocket) {
  const int socket = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const auto added = own_descriptors::add_borrowed(socket);
  EXPECT_TRUE(holds_in_copy([] {}, [=] { return !is_open(socket); }));
  ::close(socket);  // not by its borrower, who learns of it later
  const UniqueFd file = null_device();
  ASSERT_EQ(file.get(), socket);
  own_descriptors::return_borrowed(socket, added);
  EXPECT_TRUE(own_descriptors::contains(file.get()));
}

TEST(ForkedCopies, KeepAnotherSocketOfThatNumber) {
  const int socket = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  own_descriptors::add_borrowed(socket);
  const int more = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  ::close(socket);
  ASSERT_EQ(::fcntl(more, F_DUPFD_CLOEXEC, socket), socket);
  EXPECT_TRUE(holds_in_copy([] {}, [=] { return is_open(socket); }));
  own_descriptors::remove(socket);
  ::close(socket);
  ::close(more);
}

void servers_handler(int) {}

TEST(ForkedCopies, TakeBackTheHandlersOfTheServerOnly) {
  const auto prepare = [] {
    ::signal(SIGTERM, servers_handler);
    ::signal(SIGPIPE, SIG_IGN);
  };
  EXPECT_TRUE(holds_in_copy(prepare, [] {
    struct sigaction term {
    }, pipe{};
    ::sigaction(SIGTERM, nullptr, &term);
    ::sigaction(SIGPIPE, nullptr, &pipe);
    return term.sa_handler == SIG_DFL && pipe.sa_handler == SIG_IGN;
  }));
}

TEST(ForkedCopies, AForkOfOursKeepsDescriptors) {
  UniqueFd owned = null_device();
  const pid_t server = ::fork();
  if (server == 0) {
    declare_original_process(ExitHandlers::Left);
    const ForkOfOurs ours;
    const pid_t host = ::fork();
    if (host == 0) ::_exit(is_open(owned.get()) ? 0 : 1);
    int status = 0;
    ::waitpid(host, &status, 0);
    ::_exit(WEXITSTATUS(status));
  }
  int status = 0;
  ::waitpid(server, &status, 0);
  EXPECT_EQ(WEXITSTATUS(status), 0);
}

TEST(ForkedCopies, ExitOfACopyRunsNoExitHandlersOfTheServer) {
  const pid_t server = ::fork();
  if (server == 0) {
    std::atexit([] { ::_exit(42); });
    declare_original_process(ExitHandlers::SkippedInCopies);
    const pid_t copy = ::fork();
    if (copy == 0) std::exit(7);
    int status = 0;
    ::waitpid(copy, &status, 0);
    ::_exit(WEXITSTATUS(status));
  }
  int status = 0;
  ::waitpid(server, &status, 0);
  EXPECT_EQ(WEXITSTATUS(status), 7);
}

TEST(ForkedCopies, NoForkFallsBetweenABirthAndItsOwner) {
  EXPECT_TRUE(holds_in_copy(
      [] {
        static std::atomic<int> born = -1;
        std::thread([] {
          const NoForkMeanwhile until_owned;
          const int fd = ::open("/dev/null", O_RDONLY | O_CLOEXEC);
          born = fd;
          std::this_thread::sleep_for(std::chrono::milliseconds(100));
          own_descriptors::add(fd);
        }).detach();
        while (born == -1) std::this_thread::yield();
        ::setenv("WSGIX_TEST_BORN", std::to_string(born).c_str(), 1);
      },
      [] { return !is_open(std::atoi(std::getenv("WSGIX_TEST_BORN"))); }));
}

}  // namespace
}  // namespace wsgix::os

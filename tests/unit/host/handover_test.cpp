// SPDX-License-Identifier: Apache-2.0
#include "host/handover.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <string>

#include "wsgix/os/descriptors.hpp"
#include "wsgix/supervisor/host_commands.hpp"

namespace wsgix::host {
namespace {

using News = Handover::News;
using supervisor::ToHost;

/// The retire pipes of a host and of the one before it, as httpd's parent has made them.
struct Pipes {
  os::SocketPair own = std::move(*os::make_message_pair());
  os::SocketPair older = std::move(*os::make_message_pair());

  Handover handover() {
    return {std::move(own.one), UniqueFd(::fcntl(older.other.get(), F_DUPFD_CLOEXEC, 0))};
  }
  void say(char word) const { ASSERT_EQ(::send(own.other.get(), &word, 1, 0), 1); }
  void say(ToHost word) const { say(static_cast<char>(word)); }
};

bool is_watched(const Handover& handover) {
  os::PollSet set;
  handover.watch(set, [] {});
  return std::any_of(set.watched().begin(), set.watched().end(),
                     [](const pollfd& watched) { return watched.fd >= 0; });
}

std::string said_to(const UniqueFd& host) {
  std::string words;
  for (char word = 0; ::recv(host.get(), &word, 1, MSG_DONTWAIT) == 1;) words += word;
  return words;
}

TEST(Handover, SaysEachThingOnceAndListensUntilItRetires) {
  Pipes pipes;
  Handover handover = pipes.handover();
  EXPECT_EQ(handover.take_news(), News::None);

  pipes.say(ToHost::Overtaken);
  pipes.say(ToHost::Retire);

  EXPECT_EQ(handover.look(), News::Overtaken);
  EXPECT_EQ(handover.take_news(), News::Overtaken);
  EXPECT_TRUE(is_watched(handover));
  EXPECT_EQ(handover.take_news(), News::Retire);
  EXPECT_FALSE(is_watched(handover));
}

TEST(Handover, TakesAnUnknownWordForTheEndAndAClosedPipeForNone) {
  Pipes pipes;
  Handover handover = pipes.handover();
  pipes.say('x');
  EXPECT_EQ(handover.take_news(), News::Retire);

  Pipes others;
  Handover other = others.handover();
  others.own.other.reset();

  EXPECT_EQ(other.take_news(), News::Closed);
  EXPECT_FALSE(is_watched(other));
}

TEST(Handover, TellsThePredecessorAndSeesItsEnd) {
  ::signal(SIGPIPE, SIG_IGN);
  Pipes pipes;
  const Handover handover = pipes.handover();
  EXPECT_TRUE(handover.has_predecessor());
  EXPECT_FALSE(handover.predecessor_has_ended());

  handover.retire_predecessor();

  EXPECT_EQ(said_to(pipes.older.one), std::string(1, static_cast<char>(ToHost::Retire)));
  pipes.older.one.reset();
  EXPECT_TRUE(handover.predecessor_has_ended());
  handover.retire_predecessor();  // nobody is there
}

TEST(Handover, OfTheFirstHostHasTheNullDevice) {
  Pipes pipes;
  const Handover handover(std::move(pipes.own.one),
                          UniqueFd(::open("/dev/null", O_WRONLY | O_CLOEXEC)));

  EXPECT_FALSE(handover.has_predecessor());
  EXPECT_FALSE(handover.predecessor_has_ended());
  handover.retire_predecessor();
}

TEST(Handover, TellsTheParentThatTheHostIsReady) {
  Pipes pipes;
  const Handover handover = pipes.handover();

  handover.report_ready();

  EXPECT_EQ(said_to(pipes.own.other),
            std::string(1, static_cast<char>(supervisor::FromHost::Ready)));
}

}  // namespace
}  // namespace wsgix::host

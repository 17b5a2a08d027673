// SPDX-License-Identifier: Apache-2.0
#include "wsgix/daemon/control.hpp"

#include <gtest/gtest.h>
#include <sys/socket.h>

#include "wsgix/os/descriptors.hpp"

namespace wsgix::daemon {
namespace {

TEST(Control, CarriesReportsInOrder) {
  const auto pair = os::make_message_pair();
  const WorkerReport ready{Report::Ready, Cause::None};
  const WorkerReport leaving{Report::Leaving, Cause::ScriptReload};

  send_report(pair->one.get(), ready);
  send_report(pair->one.get(), leaving);

  EXPECT_EQ(*receive_report(pair->other.get()), ready);
  EXPECT_EQ(*receive_report(pair->other.get()), leaving);
  EXPECT_EQ(*receive_report(pair->other.get()), std::nullopt);
}

TEST(Control, CarriesWhichScriptIsUsed) {
  const auto pair = os::make_message_pair();
  const WorkerReport used{
      Report::UsesScript,
      Cause::None,
      {"/srv/a b.wsgi", "", "application", wsgi::ScriptReloading::Rolling, false, 17}};

  send_report(pair->one.get(), used);

  EXPECT_EQ(*receive_report(pair->other.get()), used);
}

TEST(Control, TellsARetireFromSilenceAndFromTheEnd) {
  auto pair = os::make_message_pair();

  EXPECT_EQ(*receive_word(pair->other.get()), std::nullopt);
  send_word(pair->one.get(), Word::Retire);
  EXPECT_EQ(*receive_word(pair->other.get()), Word::Retire);
  pair->one.reset();
  EXPECT_EQ(receive_word(pair->other.get()).error().code, ErrorCode::PeerClosed);
  send_report(pair->other.get(), {Report::Ready, Cause::None});  // nobody is there; nothing happens
}

TEST(Control, BelievesNothingOfAWorker) {
  for (const std::string_view nonsense :
       {std::string_view("\0\0", 2), std::string_view("\6\0", 2), std::string_view("\1\6", 2),
        std::string_view("\5\0", 2), std::string_view("\5\0path", 6), std::string_view("\1", 1),
        std::string_view("\1\0\0", 3)}) {
    const auto pair = os::make_message_pair();
    ASSERT_GT(::send(pair->one.get(), nonsense.data(), nonsense.size(), 0), 0);

    const auto report = receive_report(pair->other.get());

    ASSERT_FALSE(report);
    EXPECT_EQ(report.error().code, ErrorCode::UnexpectedFrame);
  }
}

}  // namespace
}  // namespace wsgix::daemon

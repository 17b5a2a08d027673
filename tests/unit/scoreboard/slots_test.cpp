// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <memory>

#include "wsgix/scoreboard/scripts.hpp"
#include "wsgix/scoreboard/threads.hpp"
#include "wsgix/scoreboard/waiting.hpp"

namespace wsgix::scoreboard {
namespace {

struct Shared {
  UniqueFd fd = std::move(*create());
  Mapping board = std::move(*map(fd.get()));
};

/// The pid of a process that has ended and was reaped.
std::uint32_t dead_pid() {
  const pid_t child = ::fork();
  if (child == 0) ::_exit(0);
  ::waitpid(child, nullptr, 0);
  return static_cast<std::uint32_t>(child);
}

TEST(ThreadPlaces, ShowTheRequestUntilItEnds) {
  Shared shared;
  HeldThreadSlot slot(*shared.board, 100, 101);
  EXPECT_TRUE(running_requests(*shared.board).empty());

  slot.begin(7, "GET", "/pay?order=1", 5);
  slot.show_phase(ThreadPhase::Loading);

  const auto running = running_requests(*shared.board);
  ASSERT_EQ(running.size(), 1u);
  EXPECT_EQ(running[0].pid, 100u);
  EXPECT_EQ(running[0].thread_id, 101u);
  EXPECT_EQ(running[0].id, 7u);
  EXPECT_EQ(running[0].phase, ThreadPhase::Loading);
  EXPECT_EQ(running[0].deadline_us, 5);
  EXPECT_EQ(running[0].text, "GET /pay?order=1");
  slot.end();
  EXPECT_TRUE(running_requests(*shared.board).empty());
}

TEST(ThreadPlaces, CutLongTargetsAndHideWhatCannotBePrinted) {
  Shared shared;
  HeldThreadSlot slot(*shared.board, 100, 101);

  slot.begin(1, "POST", "/\n\x80" + std::string(4096, 'x'), 0);

  const std::string text = running_requests(*shared.board).at(0).text;
  EXPECT_EQ(text.size(), kRequestTextBytes - 1);
  EXPECT_TRUE(text.starts_with("POST /??xxx")) << text;
}

TEST(ThreadPlaces, LeaveNothingOfALongerRequestBehind) {
  Shared shared;
  HeldThreadSlot slot(*shared.board, 100, 101);
  slot.begin(1, "GET", "/a/long/way/to/go", 0);

  slot.begin(2, "GET", "/", 0);

  EXPECT_EQ(running_requests(*shared.board).at(0).text, "GET /");
}

TEST(ThreadPlaces, ComeBackFromAWorkerThatWasKilled) {
  Shared shared;
  auto* const left_behind = new HeldThreadSlot(*shared.board, 100, 101);
  left_behind->begin(1, "GET", "/", 0);

  free_threads_of(*shared.board, 100);

  EXPECT_TRUE(running_requests(*shared.board).empty());
  EXPECT_EQ(shared.board->threads[0].pid, 0u);
  delete left_behind;
}

TEST(ThreadPlaces, GiveTheLongestRequestFirst) {
  Shared shared;
  HeldThreadSlot one(*shared.board, 100, 101);
  HeldThreadSlot other(*shared.board, 100, 102);
  one.begin(1, "GET", "/new", 0);
  other.begin(2, "GET", "/old", 0);
  shared.board->threads[1].since_us = 1;

  EXPECT_EQ(running_requests(*shared.board, 100).at(0).text, "GET /old");
  EXPECT_TRUE(running_requests(*shared.board, 200).empty());
}

TEST(WaitPlaces, CountWhoWaitsAndSinceWhen) {
  Shared shared;
  const auto self = static_cast<std::uint32_t>(::getpid());
  EXPECT_EQ(waiting_requests(*shared.board).count, 0u);
  const std::int64_t before = now_us();
  auto first = std::make_unique<HeldWaitSlot>(*shared.board, self);
  const std::int64_t between = now_us();
  const HeldWaitSlot second(*shared.board, self);

  EXPECT_EQ(waiting_requests(*shared.board).count, 2u);
  EXPECT_GE(waiting_requests(*shared.board).oldest_us, before);
  EXPECT_LE(waiting_requests(*shared.board).oldest_us, between);
  first.reset();
  EXPECT_EQ(waiting_requests(*shared.board).count, 1u);
}

TEST(WaitPlaces, KnowWhoCameBefore) {
  Shared shared;
  const auto self = static_cast<std::uint32_t>(::getpid());
  const HeldWaitSlot first(*shared.board, self);
  while (now_us() <= first.since_us()) {
  }
  const HeldWaitSlot second(*shared.board, self);

  EXPECT_EQ(waiting_requests(*shared.board, first.since_us()).count, 0u);
  EXPECT_EQ(waiting_requests(*shared.board, second.since_us()).count, 1u);
}

TEST(WaitPlaces, ForgetWhoDied) {
  Shared shared;
  const std::uint32_t dead = dead_pid();
  auto* const left_behind = new HeldWaitSlot(*shared.board, dead);

  EXPECT_EQ(waiting_requests(*shared.board).count, 0u);
  EXPECT_EQ(shared.board->waiting[0].pid, 0u);
  delete left_behind;
}

TEST(KnownScripts, AreRememberedOnceWithTheirLatestReloading) {
  Shared shared;
  const wsgi::OwnedScriptRef script{"/srv/a.wsgi", "", "application", wsgi::ScriptReloading::On};
  wsgi::OwnedScriptRef rolling = script;
  rolling.reloading = wsgi::ScriptReloading::Rolling;
  const wsgi::OwnedScriptRef other{"/srv/a.wsgi", "host|/app", "application",
                                   wsgi::ScriptReloading::Off};

  EXPECT_TRUE(remember_script(*shared.board, script, 1));
  EXPECT_TRUE(remember_script(*shared.board, other, 1));
  EXPECT_TRUE(remember_script(*shared.board, rolling, 1));

  EXPECT_EQ(known_scripts(*shared.board), (std::vector<wsgi::OwnedScriptRef>{rolling, other}));
}

TEST(KnownScripts, HaveABound) {
  Shared shared;
  for (std::size_t i = 0; i < kScriptSlots; ++i) {
    EXPECT_TRUE(remember_script(*shared.board,
                                wsgi::OwnedScriptRef{"/srv/" + std::to_string(i), "", "a"}, 1));
  }

  EXPECT_FALSE(remember_script(*shared.board, {"/srv/one-more", "", "a"}, 1));
  EXPECT_FALSE(remember_script(*shared.board,
                               wsgi::OwnedScriptRef{std::string(kScriptBytes, 'x'), "", "a"}, 1));
}

TEST(KnownScripts, AreForgottenWhenOnlyOthersAreUsed) {
  Shared shared;
  const std::int64_t memory_us = std::chrono::microseconds(kScriptMemory).count();
  const wsgi::OwnedScriptRef removed{"/srv/removed.wsgi", "", "a", wsgi::ScriptReloading::Rolling};
  const wsgi::OwnedScriptRef kept{"/srv/kept.wsgi", "", "a", wsgi::ScriptReloading::Rolling};
  for (std::size_t i = 2; i < kScriptSlots; ++i) {
    remember_script(*shared.board, wsgi::OwnedScriptRef{"/srv/" + std::to_string(i), "", "a"},
                    5 + memory_us);
  }
  remember_script(*shared.board, removed, 4);
  remember_script(*shared.board, kept, 4);

  EXPECT_EQ(known_scripts(*shared.board).size(), kScriptSlots - 2);
  EXPECT_TRUE(remember_script(*shared.board, kept, 6));
  EXPECT_EQ(known_scripts(*shared.board).size(), kScriptSlots - 1);
  // The slot of the forgotten one, and no other.
  EXPECT_TRUE(remember_script(*shared.board, {"/srv/new", "", "a"}, 7));
  EXPECT_FALSE(remember_script(*shared.board, {"/srv/one-more", "", "a"}, 8));
  EXPECT_EQ(known_scripts(*shared.board).size(), kScriptSlots);
}

TEST(KnownScripts, SurviveAnyBytes) {
  Shared shared;
  remember_script(*shared.board, {"/srv/a.wsgi", "", "application"}, 1);
  for (auto& word : shared.board->scripts[0].script) word = ~std::uint64_t{0};

  EXPECT_TRUE(known_scripts(*shared.board).empty());
}

}  // namespace
}  // namespace wsgix::scoreboard

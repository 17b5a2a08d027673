// SPDX-License-Identifier: Apache-2.0
#include "wsgix/relay/ending.hpp"

#include <gtest/gtest.h>

#include <cerrno>
#include <set>
#include <string_view>
#include <vector>

namespace wsgix::relay {
namespace {

constexpr ResponseState kStates[] = {ResponseState::Nothing, ResponseState::Waiting,
                                     ResponseState::UnderWay};

std::vector<Ending> all_endings() {
  std::vector<Ending> all;
  for (std::size_t i = 0; i < kEndings; ++i) all.push_back(static_cast<Ending>(i));
  return all;
}

bool is_page(Answer answer) { return answer == Answer::ErrorPage || answer == Answer::Refusal; }

TEST(Ending, EachHasItsOwnName) {
  std::set<std::string_view> names;
  for (const Ending ending : all_endings()) names.insert(to_string(ending));
  EXPECT_EQ(names.size(), kEndings);
}

TEST(Ending, WhatHasLeftIsNeverFollowedByAnErrorPage) {
  // Before a worker has taken the request nothing can have left.
  const std::set before_a_worker = {Ending::Failed, Ending::BodyTooSlow, Ending::BodyTooLarge,
                                    Ending::BodyMalformed};
  for (const Ending ending : all_endings()) {
    if (before_a_worker.count(ending) != 0) continue;
    EXPECT_FALSE(is_page(answer_to(ending, ResponseState::UnderWay))) << to_string(ending);
  }
}

TEST(Ending, OnlyAWholeResponseIsFinishedAsOne) {
  for (const Ending ending : all_endings()) {
    for (const ResponseState state : kStates) {
      EXPECT_EQ(answer_to(ending, state) == Answer::Response, ending == Ending::Whole)
          << to_string(ending);
    }
  }
}

TEST(Ending, APageHasAnErrorStatus) {
  for (const Ending ending : all_endings()) {
    if (ending == Ending::Failed) continue;  // the worker names it
    const int status = outcome_of(ending).status;
    if (is_page(answer_to(ending, ResponseState::Nothing))) {
      EXPECT_GE(status, 400) << to_string(ending);
      EXPECT_LE(status, 599) << to_string(ending);
    } else {
      EXPECT_EQ(status, 0) << to_string(ending);
    }
  }
}

TEST(Ending, EveryFailureHasExactlyOneLine) {
  // Of these the worker or httpd has said it, or nothing has failed.
  const std::set silent = {Ending::Whole, Ending::Failed, Ending::CutByWorker,
                           Ending::AnsweredByHttpd};
  for (const Ending ending : all_endings()) {
    EXPECT_EQ(outcome_of(ending).level.has_value(), silent.count(ending) == 0) << to_string(ending);
  }
}

TEST(Ending, AClientsFaultIsNoErrorOfTheServer) {
  for (const Ending ending :
       {Ending::ClientGone, Ending::BodyTooSlow, Ending::BodyTooLarge, Ending::BodyMalformed}) {
    EXPECT_EQ(outcome_of(ending).level, LogLevel::Info) << to_string(ending);
  }
}

TEST(Ending, AClientIsToldToTryAgainOnlyWhereNobodyExecutedAnything) {
  const std::set not_taken = {Ending::GroupPaused, Ending::QueueFull, Ending::GroupFull,
                              Ending::GroupNotReady};
  for (const Ending ending : all_endings()) {
    EXPECT_EQ(outcome_of(ending).may_be_repeated, not_taken.count(ending) != 0)
        << to_string(ending);
    EXPECT_TRUE(!outcome_of(ending).may_be_repeated || outcome_of(ending).status == 503);
  }
}

TEST(Ending, ADeadlineIsKeptWhateverStillWaitsForTheClient) {
  EXPECT_EQ(answer_to(Ending::DeadlinePassed, ResponseState::Nothing), Answer::Refusal);
  EXPECT_EQ(answer_to(Ending::DeadlinePassed, ResponseState::Waiting), Answer::Refusal);
  EXPECT_EQ(answer_to(Ending::DeadlinePassed, ResponseState::UnderWay), Answer::CutAtOnce);
}

TEST(Ending, WhatTheWorkerSaidBeforeItWasLostStillGoesOut) {
  EXPECT_EQ(answer_to(Ending::WorkerLost, ResponseState::Nothing), Answer::Refusal);
  EXPECT_EQ(answer_to(Ending::WorkerLost, ResponseState::Waiting), Answer::CutAfterRest);
  EXPECT_EQ(answer_to(Ending::WorkerLost, ResponseState::UnderWay), Answer::CutAfterRest);
}

TEST(Ending, OfAFailureIsNamedByItsCause) {
  const auto of = [](ErrorCode code, int os_errno, bool connected) {
    return ending_for(Error{code, "", os_errno, ""}, connected);
  };
  EXPECT_EQ(of(ErrorCode::SpoolFailed, ENOSPC, true), Ending::NoDiskSpace);
  EXPECT_EQ(of(ErrorCode::SpoolFailed, EDQUOT, false), Ending::NoDiskSpace);
  EXPECT_EQ(of(ErrorCode::SpoolFailed, EACCES, true), Ending::BufferFailed);
  EXPECT_EQ(of(ErrorCode::HeadTooLarge, 0, true), Ending::HeadTooLarge);
  EXPECT_EQ(of(ErrorCode::ForeignFrame, 0, true), Ending::ConversationBroken);
  EXPECT_EQ(of(ErrorCode::SocketFailed, EACCES, false), Ending::NotConnected);
}

TEST(Ending, OfAClientsBodyHasTheStatusThatHttpdWouldGive) {
  EXPECT_EQ(outcome_of(ending_for(BodyFailure::TooSlow)).status, 408);
  EXPECT_EQ(outcome_of(ending_for(BodyFailure::TooLarge)).status, 413);
  EXPECT_EQ(outcome_of(ending_for(BodyFailure::Malformed)).status, 400);
  EXPECT_EQ(answer_to(ending_for(BodyFailure::ClientGone), ResponseState::Nothing),
            Answer::Nothing);
  EXPECT_EQ(answer_to(ending_for(BodyFailure::Answered), ResponseState::Nothing),
            Answer::HttpdsOwn);
}

}  // namespace
}  // namespace wsgix::relay

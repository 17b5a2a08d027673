// SPDX-License-Identifier: Apache-2.0
// The promises of the table, proved over every state and every frame.
#include "wsgix/wire/dialogue.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <optional>
#include <set>
#include <vector>

namespace wsgix::wire {
namespace {

std::vector<FrameType> all_frames() {
  std::vector<FrameType> frames;
  for (int type = 0; type < 256; ++type) {
    const auto frame = static_cast<FrameType>(type);
    if (to_string(frame) != nullptr) frames.push_back(frame);
  }
  return frames;
}

std::set<Exchange> reachable_from(Exchange start) {
  std::set<Exchange> found = {start};
  for (bool grew = true; grew;) {
    grew = false;
    for (const Exchange from : std::set(found)) {
      for (const FrameType frame : all_frames()) {
        if (const auto to = next(from, frame)) grew |= found.insert(*to).second;
      }
    }
  }
  return found;
}

ErrorCode code_of(const Result<void>& result) { return result ? ErrorCode{} : result.error().code; }

TEST(Dialogue, NothingThatStartedIsEverSentAgain) {
  for (const Exchange started : kExchanges) {
    if (!has_started(started)) continue;
    for (const Exchange later : reachable_from(started)) {
      EXPECT_FALSE(may_ask_another_worker(later))
          << to_string(started) << " leads to " << to_string(later);
    }
  }
}

TEST(Dialogue, ARefusedRequestNeverRuns) {
  EXPECT_EQ(reachable_from(Exchange::Refused), std::set{Exchange::Refused});
}

TEST(Dialogue, EveryStateIsReached) {
  EXPECT_EQ(reachable_from(Exchange::Queued).size(), kExchanges.size());
}

TEST(Dialogue, WhatComesAfterTheEndIsClosingOrRefused) {
  for (const Exchange ended : {Exchange::Complete, Exchange::Cut, Exchange::Refused}) {
    for (const FrameType frame : all_frames()) {
      EXPECT_EQ(next(ended, frame).has_value(), frame == FrameType::Closing)
          << to_string(ended) << " " << to_string(frame);
    }
  }
}

TEST(Dialogue, NoResponseComesBeforeAWorkerHasTakenTheConnection) {
  for (const FrameType frame : all_frames()) {
    const auto after = next(Exchange::Queued, frame);
    EXPECT_TRUE(!after || *after == Exchange::Offered || *after == Exchange::Refused);
  }
}

TEST(Dialogue, AWorkerNamesItselfOnce) {
  for (const Exchange exchange : kExchanges) {
    EXPECT_EQ(next(exchange, FrameType::Welcome).has_value(), exchange == Exchange::Queued);
  }
}

TEST(Dialogue, NothingOfABodyComesBeforeItsHeadNorAHeadTwice) {
  for (const Exchange exchange : kExchanges) {
    const bool responding = exchange == Exchange::Responding;
    for (const FrameType frame : {FrameType::ResponseBody, FrameType::ResponseFile,
                                  FrameType::ResponseEnd, FrameType::ResponseCut}) {
      EXPECT_EQ(next(exchange, frame).has_value(), responding) << to_string(exchange);
    }
    const auto after_head = next(exchange, FrameType::ResponseHead);
    EXPECT_TRUE(!after_head || !responding) << to_string(exchange);
  }
}

TEST(Dialogue, AChildsFramesNeverComeFromAWorker) {
  for (const Exchange exchange : kExchanges) {
    for (const FrameType frame :
         {FrameType::Hello, FrameType::RequestHead, FrameType::RequestBody, FrameType::RequestEnd,
          FrameType::RequestAbort, FrameType::HeadPart}) {
      EXPECT_FALSE(next(exchange, frame)) << to_string(exchange) << " " << to_string(frame);
    }
  }
}

template <typename State>
struct Allowed {
  State from;
  FrameType frame;
  State to;
};

// All that is allowed, once more and in other words: a row or a cell that is lost is missed here.
template <typename State, std::size_t Count>
void expect_exactly(const std::vector<Allowed<State>>& allowed,
                    const std::array<State, Count>& states) {
  for (const State from : states) {
    for (const FrameType frame : all_frames()) {
      const auto found = std::find_if(allowed.begin(), allowed.end(), [&](const auto& one) {
        return one.from == from && one.frame == frame;
      });
      const auto expected = found != allowed.end() ? std::optional(found->to) : std::nullopt;
      EXPECT_EQ(next(from, frame), expected) << to_string(frame) << " " << to_string(from);
    }
  }
}

TEST(Dialogue, AllowsExactlyTheseFrames) {
  using enum Exchange;
  using enum FrameType;
  const std::vector<Allowed<Exchange>> allowed = {
      {Queued, Welcome, Offered},
      {Queued, Closing, Refused},
      {Offered, Log, Offered},
      {Offered, Busy, Refused},
      {Offered, Closing, Refused},
      {Offered, WantBody, Executing},
      {Offered, FrameType::EarlyHints, Executing},
      {Offered, FrameType::ResponseHead, Responding},
      {Offered, FrameType::Failure, Complete},
      {Executing, Log, Executing},
      {Executing, WantBody, Executing},
      {Executing, FrameType::EarlyHints, Executing},
      {Executing, FrameType::ResponseHead, Responding},
      {Executing, FrameType::Failure, Complete},
      {Responding, Log, Responding},
      {Responding, WantBody, Responding},
      {Responding, ResponseBody, Responding},
      {Responding, FrameType::ResponseFile, Responding},
      {Responding, ResponseEnd, Complete},
      {Responding, ResponseCut, Cut},
      {Refused, Closing, Refused},
      {Complete, Closing, Complete},
      {Cut, Closing, Cut},
  };
  expect_exactly(allowed, kExchanges);
}

TEST(Dialogue, AFrameOfAnotherRequestChangesNothing) {
  Dialogue dialogue(7, false);

  EXPECT_EQ(code_of(dialogue.take(6, FrameType::ResponseHead)), ErrorCode::ForeignFrame);
  EXPECT_EQ(code_of(dialogue.take(8, FrameType::Busy)), ErrorCode::ForeignFrame);

  EXPECT_EQ(dialogue.exchange(), Exchange::Offered);
  EXPECT_TRUE(dialogue.take(7, FrameType::ResponseHead));
  EXPECT_EQ(code_of(dialogue.take(7, FrameType::ResponseHead)), ErrorCode::UnexpectedFrame);
  EXPECT_EQ(dialogue.exchange(), Exchange::Responding);
}

TEST(Intake, AllowsExactlyTheseFrames) {
  using enum FrameType;
  const std::vector<Allowed<Due>> allowed = {
      {Due::Hello, FrameType::Hello, Due::Request},
      {Due::Request, FrameType::RequestHead, Due::Request},
      {Due::Request, RequestAbort, Due::Request},
      {Due::Body, RequestBody, Due::Body},
      {Due::Body, RequestEnd, Due::Request},
      {Due::Body, RequestAbort, Due::Request},
  };
  expect_exactly(allowed, kDues);
}

TEST(Intake, OpensARequestOnlyWithALargerNumber) {
  Intake intake;
  ASSERT_TRUE(intake.take(0, FrameType::Hello));
  ASSERT_TRUE(intake.take(5, FrameType::RequestHead));

  EXPECT_EQ(code_of(intake.take(5, FrameType::RequestHead)), ErrorCode::UnexpectedFrame);
  EXPECT_EQ(code_of(intake.take(4, FrameType::RequestHead)), ErrorCode::UnexpectedFrame);
  EXPECT_EQ(intake.request(), 5U);
  EXPECT_TRUE(intake.take(9, FrameType::RequestHead));
  EXPECT_EQ(intake.request(), 9U);
}

TEST(Intake, TakesTheBodyOfTheOpenRequestAlone) {
  Intake intake;
  ASSERT_TRUE(intake.take(0, FrameType::Hello));
  ASSERT_TRUE(intake.take(1, FrameType::RequestHead));
  EXPECT_EQ(code_of(intake.take(1, FrameType::RequestBody)), ErrorCode::UnexpectedFrame);

  intake.expect_body();
  EXPECT_EQ(code_of(intake.take(2, FrameType::RequestBody)), ErrorCode::ForeignFrame);
  EXPECT_EQ(code_of(intake.take(2, FrameType::RequestHead)), ErrorCode::UnexpectedFrame);
  EXPECT_TRUE(intake.take(1, FrameType::RequestBody));
  EXPECT_TRUE(intake.take(1, FrameType::RequestEnd));
  EXPECT_EQ(intake.due(), Due::Request);
}

}  // namespace
}  // namespace wsgix::wire

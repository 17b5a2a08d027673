// SPDX-License-Identifier: Apache-2.0
// Every event in every state that an attempt can reach, beside a worker that keeps to the protocol
// and does what it likes within it: what has to hold on every path.
#include "wsgix/relay/attempt.hpp"

#include <gtest/gtest.h>

#include <deque>
#include <map>
#include <set>
#include <string>
#include <tuple>

namespace wsgix::relay {
namespace {

using wire::Exchange;
using wire::FrameType;

constexpr std::uint64_t kRequest = 7;
constexpr Upload kUploads[] = {Upload::None, Upload::AwaitsWorker, Upload::Flowing, Upload::Sent,
                               Upload::Aborted};
constexpr UploadEvent kUploadEvents[] = {UploadEvent::WorkerWantsIt, UploadEvent::EndQueued,
                                         UploadEvent::AbortQueued};
constexpr BodyFailure kBodyFailures[] = {BodyFailure::ClientGone, BodyFailure::TooSlow,
                                         BodyFailure::TooLarge, BodyFailure::Malformed,
                                         BodyFailure::Answered};

/// The other end of the connection.
struct Worker {
  enum class Head : std::uint8_t { NotHere, InPart, Whole } head = Head::NotHere;
  bool has_taken = false;     ///< the connection, from the backlog
  bool has_executed = false;  ///< it has begun
  bool has_refused = false;   ///< it has promised that it never will
  bool has_answered = false;  ///< a head has gone
};

struct State {
  Attempt attempt;
  Worker worker;
  bool sent_body = false;  ///< bytes of a body may lie behind the head

  auto key() const {
    return std::tuple(attempt.exchange(), attempt.upload(), attempt.client_side(),
                      attempt.connection_lost(Unread::No).kind, attempt.body_may_go_on(1),
                      worker.head, worker.has_taken, worker.has_executed, worker.has_refused,
                      worker.has_answered, sent_body);
  }
};

/// Everything that can happen next, and where it leads.
struct Event {
  std::string name;
  State after;
  Step step;
};

class Walk {
 public:
  std::vector<Event> events_of(const State& state) {
    from_ = &state;
    events_.clear();
    writes();
    the_worker();
    frames();
    the_body();
    the_client();
    losses();
    return std::move(events_);
  }

 private:
  void add(std::string name, const State& after, Step step = kGoOn) {
    events_.push_back({std::move(name), after, step});
  }

  void writes() {
    State after = *from_;
    after.attempt.wrote(0);
    add("the socket takes nothing", after);
    after = *from_;
    after.attempt.wrote(1);
    after.sent_body = after.sent_body || after.attempt.upload() == Upload::Flowing ||
                      after.attempt.upload() == Upload::Sent;
    if (after.worker.head == Worker::Head::NotHere) {
      after.worker.head = Worker::Head::InPart;
      add("the socket takes a part of the head", after);
    }
    after.worker.head = Worker::Head::Whole;
    add("the socket takes the head and more", after);
  }

  void the_worker() {
    const Worker& worker = from_->worker;
    State after = *from_;
    if (!worker.has_taken) return;
    if (worker.head == Worker::Head::Whole && !worker.has_refused && !worker.has_executed) {
      after.worker.has_executed = true;
      add("the worker begins", after);
    }
  }

  void says(FrameType type, State after) {
    const Result<Step> step = after.attempt.take(kRequest, type);
    ASSERT_TRUE(step) << step.error().what;
    add(std::string("the worker says ") + wire::to_string(type), after, *step);
  }

  void frames() {
    const Worker& worker = from_->worker;
    State after = *from_;
    if (!worker.has_taken) {
      after.worker.has_taken = true;
      says(FrameType::Welcome, after);
      after.worker.has_refused = true;
      says(FrameType::Closing, after);
      return;
    }
    if (!worker.has_executed) {
      after.worker.has_refused = true;
      if (worker.head == Worker::Head::Whole) says(FrameType::Busy, after);
      says(FrameType::Closing, after);
      after = *from_;
      if (worker.head == Worker::Head::Whole && !worker.has_refused) {
        says(FrameType::Log, after);      // loading wrote a line
        says(FrameType::Failure, after);  // refused before the application was called
      }
      return;
    }
    says(FrameType::Log, after);
    says(FrameType::WantBody, after);
    if (worker.has_answered) {
      for (const FrameType type : {FrameType::ResponseBody, FrameType::ResponseFile,
                                   FrameType::ResponseEnd, FrameType::ResponseCut}) {
        says(type, after);
      }
      return;
    }
    says(FrameType::EarlyHints, after);
    says(FrameType::Failure, after);
    after.worker.has_answered = true;
    says(FrameType::ResponseHead, after);
  }

  void the_body() {
    State after = *from_;
    if (after.attempt.upload() == Upload::Flowing) {
      after.attempt.body_is_queued();
      add("the body is queued", after);
    }
    if (from_->attempt.upload() == Upload::None) return;
    for (const BodyFailure why : kBodyFailures) {
      after = *from_;
      const Step step = after.attempt.body_failed(why);
      add("the body fails", after, step);
    }
  }

  void the_client() {
    if (from_->attempt.client_side() == ClientSide::Closed) return;
    State after = *from_;
    const Step step = after.attempt.client_closed_its_side();
    add("the client closes its side", after, step);
  }

  void losses() {
    const Worker& worker = from_->worker;
    add("the connection ends", *from_, from_->attempt.connection_lost(Unread::No));
    // What the kernel can prove: a worker that has begun has read the whole head.
    if (!worker.has_executed || from_->sent_body) {
      add("the connection ends with bytes unread", *from_,
          from_->attempt.connection_lost(Unread::Proven));
    }
  }

  const State* from_ = nullptr;
  std::vector<Event> events_;
};

/// Every state that one attempt can reach, with every event in it.
template <typename Check>
std::size_t walk(Check check) {
  std::set<decltype(std::declval<State>().key())> seen;
  std::deque<State> due;
  for (const bool fresh : {true, false}) {
    for (const Upload upload : {Upload::None, Upload::AwaitsWorker, Upload::Flowing}) {
      State start{Attempt(kRequest, fresh, upload), {}};
      start.worker.has_taken = !fresh;
      due.push_back(start);
    }
  }
  Walk events;
  while (!due.empty()) {
    const State state = due.front();
    due.pop_front();
    if (!seen.insert(state.key()).second) continue;
    for (const Event& event : events.events_of(state)) {
      check(state, event);
      if (event.step == kGoOn) due.push_back(event.after);
    }
  }
  return seen.size();
}

TEST(AttemptModel, ARequestThatMayHaveStartedIsNeverSentAgain) {
  std::size_t repeats = 0;
  walk([&](const State& state, const Event& event) {
    if (event.step.kind != Step::Kind::Again) return;
    ++repeats;
    EXPECT_FALSE(event.after.worker.has_executed) << event.name;
    EXPECT_FALSE(event.after.attempt.has_started()) << event.name;
    // And nobody has what it takes to start it later.
    const bool never_will = event.after.worker.has_refused ||
                            event.after.worker.head != Worker::Head::Whole ||
                            event.name == "the connection ends with bytes unread";
    EXPECT_TRUE(never_will) << event.name << " when " << to_string(state.attempt.exchange());
  });
  EXPECT_GT(repeats, 10U);
}

TEST(AttemptModel, WhatNobodyCanHaveReadIsSentAgain) {
  walk([](const State& state, const Event& event) {
    if (event.name != "the connection ends") return;
    if (state.worker.head == Worker::Head::NotHere) {
      EXPECT_EQ(event.step, kAgain) << to_string(state.attempt.exchange());
    }
  });
}

TEST(AttemptModel, EveryStateEndsWithItsConnectionAndOnlyInTheseWays) {
  std::set<Ending> ends;
  walk([&](const State&, const Event& event) {
    if (event.step.kind == Step::Kind::End) ends.insert(event.step.ending);
    const bool goes_on = event.step == kGoOn;
    EXPECT_FALSE(goes_on && event.name.rfind("the connection ends", 0) == 0) << event.name;
  });
  EXPECT_EQ(ends, (std::set{Ending::Whole, Ending::Failed, Ending::CutByWorker, Ending::ClientGone,
                            Ending::AnsweredByHttpd, Ending::BodyTooSlow, Ending::BodyTooLarge,
                            Ending::BodyMalformed, Ending::WorkerLost}));
}

TEST(AttemptModel, AProvenStartOrAnAnswerNeverLeadsBackToTheQueue) {
  walk([](const State& state, const Event& event) {
    if (!state.attempt.has_started()) return;
    EXPECT_TRUE(event.after.attempt.has_started()) << event.name;
    EXPECT_NE(event.step.kind, Step::Kind::Again) << event.name;
  });
}

TEST(AttemptModel, AnIdleConnectionHasNothingOfTheRequestOnItsWay) {
  walk([](const State&, const Event& event) {
    const Attempt& attempt = event.after.attempt;
    EXPECT_FALSE(attempt.leaves_an_idle_connection(1));
    if (!attempt.leaves_an_idle_connection(0)) return;
    EXPECT_NE(attempt.upload(), Upload::Flowing) << event.name;
    EXPECT_EQ(attempt.client_side(), ClientSide::Open) << event.name;
  });
}

TEST(AttemptModel, AClientIsAskedForOnlyInTheQueueOrWhenTheWorkerHasAllOfTheRequest) {
  walk([](const State&, const Event& event) {
    const Attempt& attempt = event.after.attempt;
    if (!attempt.asks_for_client(0)) return;
    EXPECT_TRUE(attempt.is_queueing() ||
                (attempt.upload() != Upload::Flowing && attempt.upload() != Upload::AwaitsWorker))
        << event.name;
  });
}

TEST(AttemptModel, EveryTransitionOfTheUploadIsReached) {
  std::set<std::pair<Upload, Upload>> reached;
  walk([&](const State& state, const Event& event) {
    reached.insert({state.attempt.upload(), event.after.attempt.upload()});
  });
  for (const Upload from : kUploads) {
    for (const UploadEvent event : kUploadEvents) {
      const auto to = next(from, event);
      if (!to || from == Upload::None) continue;
      EXPECT_EQ(reached.count({from, *to}), 1U) << to_string(from) << " to " << to_string(*to);
    }
  }
}

TEST(AttemptModel, EveryExchangeIsReached) {
  std::set<Exchange> reached;
  walk([&](const State&, const Event& event) { reached.insert(event.after.attempt.exchange()); });
  EXPECT_EQ(reached.size(), wire::kExchanges.size());
}

TEST(Upload, NothingFollowsAnAbort) {
  for (const UploadEvent event : kUploadEvents) {
    const auto after = next(Upload::Aborted, event);
    EXPECT_TRUE(!after || *after == Upload::Aborted);
  }
}

TEST(Upload, OnlyAFlowingBodyCanBeComplete) {
  for (const Upload upload : kUploads) {
    EXPECT_EQ(next(upload, UploadEvent::EndQueued).has_value(), upload == Upload::Flowing)
        << to_string(upload);
  }
}

TEST(Upload, AWorkerThatWantsABodyTwiceOrNoneGetsNoMore) {
  EXPECT_EQ(next(Upload::None, UploadEvent::WorkerWantsIt), Upload::None);
  EXPECT_EQ(next(Upload::AwaitsWorker, UploadEvent::WorkerWantsIt), Upload::Flowing);
  EXPECT_EQ(next(Upload::Flowing, UploadEvent::WorkerWantsIt), Upload::Flowing);
  EXPECT_EQ(next(Upload::Sent, UploadEvent::WorkerWantsIt), Upload::Sent);
}

TEST(Attempt, QueuesTheBodyWithTheHeadAndThenOneBatchAfterTheOther) {
  Attempt attempt(kRequest, false, Upload::Flowing);
  EXPECT_TRUE(attempt.body_may_go_on(4096));
  attempt.wrote(100);
  EXPECT_FALSE(attempt.body_may_go_on(3996));
  EXPECT_TRUE(attempt.body_may_go_on(0));
  attempt.body_is_queued();
  EXPECT_FALSE(attempt.body_may_go_on(0));
}

TEST(Attempt, HoldsABodyBackUntilTheWorkerWantsIt) {
  Attempt attempt(kRequest, false, Upload::AwaitsWorker);
  EXPECT_FALSE(attempt.body_may_go_on(0));
  ASSERT_TRUE(attempt.take(kRequest, FrameType::WantBody));
  EXPECT_TRUE(attempt.has_started());
  EXPECT_TRUE(attempt.body_may_go_on(0));
}

TEST(Attempt, LetsAnApplicationThatRunsAnswerAfterTheBodyFailed) {
  Attempt attempt(kRequest, false, Upload::Flowing);
  attempt.wrote(100);
  EXPECT_EQ(attempt.body_failed(BodyFailure::TooSlow), kGoOn);
  EXPECT_EQ(attempt.upload(), Upload::Aborted);
}

TEST(Attempt, EndsForAClientThatLeavesTheQueue) {
  Attempt attempt(kRequest, true, Upload::None);
  attempt.wrote(100);
  EXPECT_EQ(attempt.client_closed_its_side(), end_with(Ending::ClientGone));
}

TEST(Attempt, SaysThatTheClientLeftWhenTheWorkerSawThatAndDidNotBegin) {
  Attempt attempt(kRequest, false, Upload::None);
  attempt.wrote(100);
  EXPECT_EQ(attempt.client_closed_its_side(), kGoOn);
  EXPECT_EQ(attempt.connection_lost(Unread::No), end_with(Ending::ClientGone));

  ASSERT_TRUE(attempt.take(kRequest, FrameType::ResponseHead));
  EXPECT_EQ(attempt.connection_lost(Unread::No), end_with(Ending::WorkerLost));
}

TEST(Attempt, TakesNothingThatBelongsToAnotherRequest) {
  Attempt attempt(kRequest, false, Upload::None);
  EXPECT_FALSE(attempt.take(kRequest - 1, FrameType::ResponseHead));
  EXPECT_EQ(attempt.exchange(), Exchange::Offered);
}

TEST(Attempt, TellsTheWorkerWhyABodyEnds) {
  EXPECT_EQ(abort_reason(BodyFailure::ClientGone), wire::AbortReason::ClientGone);
  EXPECT_EQ(abort_reason(BodyFailure::TooSlow), wire::AbortReason::ClientTooSlow);
  EXPECT_EQ(abort_reason(BodyFailure::TooLarge), wire::AbortReason::BodyTooLarge);
  EXPECT_EQ(abort_reason(BodyFailure::Malformed), wire::AbortReason::BodyMalformed);
}

}  // namespace
}  // namespace wsgix::relay

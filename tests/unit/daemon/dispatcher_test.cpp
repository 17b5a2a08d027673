// SPDX-License-Identifier: Apache-2.0
#include "daemon/dispatcher.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <condition_variable>
#include <thread>

#include "fake_runtime.hpp"
#include "wsgix/os/listener.hpp"
#include "wsgix/os/thread.hpp"

namespace wsgix::daemon {
namespace {

using testing::handler;
using testing::respond;
using wire::FrameType;
using wire::RequestHead;

const std::string kToken(wire::kTokenBytes, 'k');

class Lines final : public LogSink {
 public:
  using LogSink::write;
  void write(LogLevel, std::string_view line) noexcept override {
    const std::lock_guard lock(mutex_);
    text_ += line;
    text_ += '\n';
  }
  std::string text() {
    const std::lock_guard lock(mutex_);
    return text_;
  }

 private:
  std::mutex mutex_;
  std::string text_;
};

class Events final : public DispatcherEvents {
 public:
  void script_is_stale() noexcept override { ++stale; }
  void request_limit_reached() noexcept override { ++limit; }
  void script_is_used(const wsgi::OwnedScriptRef& script) noexcept override {
    const std::lock_guard lock(mutex_);
    used_.push_back(script);
  }
  std::vector<wsgi::OwnedScriptRef> used() {
    const std::lock_guard lock(mutex_);
    return used_;
  }
  std::atomic<int> stale = 0;
  std::atomic<int> limit = 0;

 private:
  std::mutex mutex_;
  std::vector<wsgi::OwnedScriptRef> used_;
};

/// Holds requests inside the application until the test lets them go.
class Gate {
 public:
  void pass() {
    std::unique_lock lock(mutex_);
    ++inside_;
    changed_.notify_all();
    changed_.wait(lock, [this] { return open_; });
  }
  void await(int inside) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return inside_ >= inside; });
  }
  void open() {
    const std::lock_guard lock(mutex_);
    open_ = true;
    changed_.notify_all();
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  int inside_ = 0;
  bool open_ = false;
};

/// What an httpd child does, as far as a test needs it.
class Client {
 public:
  explicit Client(const std::string& path, const std::string& token = kToken)
      : channel_(channel::connect_to(path).value()) {
    EXPECT_TRUE(channel_.queue(FrameType::Hello, wire::Hello{token}));
  }
  channel::Channel* operator->() { return &channel_; }

  Client& ask(std::uint8_t flags = 0, std::string_view question = "") {
    RequestHead head;
    head.flags = flags;
    head.script = {"/srv/app.wsgi", "", "application"};
    head.environ = {{"REQUEST_METHOD", "GET"}, {"REQUEST_URI", "/pay"}, {"QUERY_STRING", question}};
    channel_.begin_request(channel_.request() + 1);
    EXPECT_TRUE(channel_.queue(FrameType::RequestHead, head));
    EXPECT_TRUE(channel_.flush(soon()));
    return *this;
  }
  Client& body(std::string_view bytes) {
    channel_.queue(FrameType::RequestBody, bytes);
    return *this;
  }
  Client& end_body() {
    channel_.queue(FrameType::RequestEnd);
    EXPECT_TRUE(channel_.flush(soon()));
    return *this;
  }
  /// The next frame as text: its type, or its payload for a body.
  std::string next() {
    const auto frame = channel_.receive(soon());
    if (!frame) return frame.error().code == ErrorCode::PeerClosed ? "closed" : frame.error().what;
    if (frame->type == FrameType::ResponseBody) return "body:" + std::string(frame->payload);
    return wire::to_string(frame->type);
  }
  /// All frames up to the one that ends the exchange.
  std::string answer() {
    std::string all;
    for (;;) {
      const std::string one = next();
      all += (all.empty() ? "" : " ") + one;
      for (const char* const last : {"ResponseEnd", "ResponseCut", "Failure", "Busy", "closed"}) {
        if (one == last) return all;
      }
      if (all.size() > 100'000) return all;
    }
  }
  static Deadline soon() { return after(seconds(20)); }

 private:
  channel::Channel channel_;
};

class DispatcherTest : public ::testing::Test {
 protected:
  void serve(int threads, int maximum_requests = 0) {
    start(threads, maximum_requests);
    ASSERT_TRUE(dispatcher_->accept_connections());
  }
  void start(int threads, int maximum_requests = 0) {
    path_ = "/tmp/wsgix-dispatcher-test." + std::to_string(::getpid());
    listener_ = std::move(*os::listen_on(path_, 100, std::nullopt));
    DispatcherSettings settings;
    settings.group = "shop";
    settings.token = kToken;
    settings.peer_uid = ::geteuid();
    settings.threads = threads;
    settings.maximum_requests = maximum_requests;
    settings.patience = seconds(20);
    settings.slot = 3;
    dispatcher_ = std::move(
        *Dispatcher::create(settings, listener_.get(), application_, *board_, events_, log_));
    for (int i = 0; i <= threads; ++i) {
      threads_.push_back(std::move(*os::Thread::start(1 << 20, [this] { dispatcher_->serve(); })));
    }
  }
  void TearDown() override {
    if (!dispatcher_) return;
    dispatcher_->begin_drain();
    threads_.clear();
    pollfd drained{dispatcher_->drained_fd(), POLLIN, 0};
    EXPECT_EQ(::poll(&drained, 1, 0), 1);
    EXPECT_EQ(slot_.busy.load(), 0u);
    ::unlink(path_.c_str());
  }

  std::string path_;
  UniqueFd listener_;
  Application application_{&testing::fake_runtime(), std::nullopt};
  UniqueFd board_fd_ = std::move(*scoreboard::create());
  scoreboard::Mapping board_ = std::move(*scoreboard::map(board_fd_.get()));
  scoreboard::WorkerSlot& slot_ = board_->workers[3];
  Events events_;
  Lines log_;
  std::unique_ptr<Dispatcher> dispatcher_;
  std::vector<os::Thread> threads_;
};

TEST_F(DispatcherTest, ExecutesNothingBeforeItMayAccept) {
  std::atomic<int> executed = 0;
  handler() = [&](const wsgix_request& request) {
    ++executed;
    return respond(request, "");
  };
  start(2);
  Client client(path_);
  client.ask();

  pollfd answer{client->fd(), POLLIN, 0};
  EXPECT_EQ(::poll(&answer, 1, 20), 0);
  EXPECT_EQ(executed, 0);

  ASSERT_TRUE(dispatcher_->accept_connections());
  EXPECT_EQ(client.next(), "Welcome");
  client.answer();
  EXPECT_EQ(executed, 1);
}

TEST_F(DispatcherTest, ThatCannotAcceptIsDrainedAllTheSame) {
  start(2);
  const UniqueFd file(::open("/dev/null", O_RDONLY | O_CLOEXEC));  // epoll_ctl(2) refuses it
  ASSERT_EQ(::dup2(file.get(), listener_.get()), listener_.get());

  EXPECT_FALSE(dispatcher_->accept_connections());
}

TEST_F(DispatcherTest, ShowsTheRunningRequestAndReportsItsScriptOnce) {
  std::vector<scoreboard::RunningRequest> during;
  handler() = [&](const wsgix_request& request) {
    request.calls->loading(request.stream, 1);
    during = scoreboard::running_requests(*board_);
    EXPECT_EQ(during.at(0).id, request.id);
    return respond(request, "");
  };
  serve(1);
  Client client(path_);

  EXPECT_EQ(client.ask().next(), "Welcome");
  client.answer();
  client.ask().answer();

  ASSERT_EQ(during.size(), 1u);
  EXPECT_EQ(during[0].pid, static_cast<std::uint32_t>(::getpid()));
  EXPECT_EQ(during[0].phase, scoreboard::ThreadPhase::Loading);
  EXPECT_EQ(during[0].text, "GET /pay");
  EXPECT_TRUE(scoreboard::running_requests(*board_).empty());
  EXPECT_GT(slot_.activity_us, 0);
  ASSERT_EQ(events_.used().size(), 1u);
  EXPECT_EQ(events_.used()[0], (wsgi::OwnedScriptRef{"/srv/app.wsgi", "", "application"}));
}

TEST_F(DispatcherTest, ReportsAScriptOnlyOnceItHasBeenLoaded) {
  std::uint32_t code = 5007;
  handler() = [&](const wsgix_request&) { return wsgix_outcome{WSGIX_FAILED, 500, code}; };
  serve(1);
  Client client(path_);

  client.ask().answer();
  EXPECT_TRUE(events_.used().empty());
  code = 6001;
  client.ask().answer();
  EXPECT_EQ(events_.used().size(), 1u);
}

TEST_F(DispatcherTest, ExecutesOnlyAScriptOfTheDemandedOwner) {
  bool was_executed = false;
  handler() = [&](const wsgix_request& request) {
    was_executed = true;
    return respond(request, "");
  };
  application_.script_owner.uid = ::geteuid() + 1;
  serve(1);
  Client client(path_);

  EXPECT_EQ(client.ask().next(), "Welcome");
  const auto answer = client->receive(Client::soon());

  ASSERT_TRUE(answer);
  ASSERT_EQ(answer->type, FrameType::Failure);
  const auto failure = wire::decode_failure(answer->payload);
  ASSERT_TRUE(failure);
  EXPECT_EQ(failure->http_status, 403);
  EXPECT_TRUE(failure->what.starts_with("WX3011: ")) << failure->what;
  EXPECT_FALSE(was_executed);
  // The connection is as good as before.
  EXPECT_EQ(client.ask().answer(), "Failure");
}

TEST_F(DispatcherTest, WelcomesAndAnswersManyRequestsOnOneConnection) {
  handler() = [](const wsgix_request& request) {
    return respond(request, testing::environ_value(request, "QUERY_STRING"));
  };
  serve(1);
  Client client(path_);

  client.ask(0, "one");
  const auto welcome = client->receive(Client::soon());
  ASSERT_TRUE(welcome);
  EXPECT_EQ(wire::decode_welcome(welcome->payload)->slot, 3u);
  EXPECT_EQ(client.answer(), "ResponseHead body:one ResponseEnd");
  for (int i = 0; i < 200; ++i) {
    // Never Busy: the permit is free before the answer can be read.
    ASSERT_EQ(client.ask(0, "more").answer(), "ResponseHead body:more ResponseEnd");
  }
  EXPECT_EQ(slot_.requests.load(), 201u);
}

TEST_F(DispatcherTest, ClosesOnAWrongTokenAndOnRequestsWithoutHello) {
  handler() = [](const wsgix_request& request) { return respond(request, "never"); };
  serve(1);

  Client stranger(path_, std::string(wire::kTokenBytes, 'x'));
  stranger.ask();
  EXPECT_EQ(stranger.next(), "Welcome");
  EXPECT_EQ(stranger.next(), "closed");
  channel::Channel rude(*channel::connect_to(path_));
  rude.begin_request(1);
  rude.queue(FrameType::RequestEnd);
  ASSERT_TRUE(rude.flush(Client::soon()));
  EXPECT_TRUE(rude.receive(Client::soon()));  // Welcome
  EXPECT_FALSE(rude.receive(Client::soon()));

  EXPECT_EQ(slot_.requests.load(), 0u);
  EXPECT_NE(log_.text().find("WX1007"), std::string::npos) << log_.text();
  EXPECT_NE(log_.text().find("WX1008"), std::string::npos) << log_.text();
}

TEST_F(DispatcherTest, EndsAConnectionWhoseFramesBelongToAnotherRequest) {
  handler() = [](const wsgix_request& request) { return respond(request, "once"); };
  serve(1);

  Client repeats(path_);
  EXPECT_EQ(repeats.ask().answer(), "Welcome ResponseHead body:once ResponseEnd");
  repeats->begin_request(0);
  EXPECT_EQ(repeats.ask().answer(), "closed") << "the number of a request was used twice";

  Client mixes(path_);
  mixes.ask(RequestHead::kHasBody);
  EXPECT_EQ(mixes.next(), "Welcome");
  mixes->begin_request(2);
  mixes.body("of another").end_body();
  EXPECT_EQ(mixes.answer(), "ResponseHead body:once ResponseEnd") << "its body was not read";
  EXPECT_EQ(mixes.next(), "closed");

  EXPECT_EQ(slot_.requests.load(), 2u);
  EXPECT_NE(log_.text().find("WX1008"), std::string::npos) << log_.text();
}

TEST_F(DispatcherTest, ReadsNothingLargeBeforeHello) {
  handler() = [](const wsgix_request& request) { return respond(request, "never"); };
  serve(1);
  channel::Channel liar(*channel::connect_to(path_));
  const auto header = wire::encode_header({FrameType::Hello, wire::kMaxPayloadBytes, 0});

  ASSERT_EQ(::write(liar.fd(), header.data(), header.size()), 16);

  EXPECT_TRUE(liar.receive(Client::soon()));  // Welcome
  EXPECT_FALSE(liar.receive(Client::soon()));
  EXPECT_NE(log_.text().find("WX1002"), std::string::npos) << log_.text();
}

TEST_F(DispatcherTest, KeepsOnlySoManyConnectionsThatDoNotSayWhoTheyAre) {
  handler() = [](const wsgix_request& request) { return respond(request, "served"); };
  serve(1);
  std::vector<channel::Channel> silent;
  for (int i = 0; i < 200; ++i) {
    silent.emplace_back(*channel::connect_to(path_));
    ASSERT_EQ(silent.back().receive(Client::soon())->type, FrameType::Welcome);
  }

  EXPECT_FALSE(silent.front().receive(Client::soon())) << "the oldest went first";

  EXPECT_EQ(silent.back().receive(after(milliseconds(50))).error().code, ErrorCode::DeadlinePassed);
  Client client(path_);
  EXPECT_EQ(client.ask().answer(), "Welcome ResponseHead body:served ResponseEnd");
  EXPECT_NE(log_.text().find("WX1007"), std::string::npos) << log_.text();
}

TEST_F(DispatcherTest, AnswersBusyOnAnIdleConnectionAndServesTheListenerNext) {
  Gate gate;
  handler() = [&](const wsgix_request& request) {
    if (testing::environ_value(request, "QUERY_STRING") == "slow") gate.pass();
    return respond(request, "done");
  };
  serve(1);
  Client idle(path_);
  EXPECT_EQ(idle.ask().answer(), "Welcome ResponseHead body:done ResponseEnd");
  Client slow(path_);
  slow.ask(0, "slow");
  gate.await(1);

  EXPECT_EQ(idle.ask().answer(), "Busy");
  EXPECT_EQ(idle.ask(RequestHead::kHasBody).body("xyz").end_body().answer(), "Busy");
  Client queued(path_);
  queued.ask();
  gate.open();

  EXPECT_EQ(queued.answer(), "Welcome ResponseHead body:done ResponseEnd");
  EXPECT_EQ(slow.answer(), "Welcome ResponseHead body:done ResponseEnd");
  EXPECT_EQ(idle.ask().answer(), "ResponseHead body:done ResponseEnd");
}

TEST_F(DispatcherTest, ForgetsAQueuedConnectionWhoseChildHasGone) {
  Gate gate;
  handler() = [&](const wsgix_request& request) {
    gate.pass();
    return respond(request, "done");
  };
  serve(1);
  Client slow(path_);
  slow.ask();
  gate.await(1);
  {
    Client gone(path_);
    gone.ask();
  }
  Client next(path_);
  next.ask();
  gate.open();

  EXPECT_EQ(next.answer(), "Welcome ResponseHead body:done ResponseEnd");
  EXPECT_EQ(slot_.requests.load(), 2u);
}

TEST_F(DispatcherTest, ReadsBodiesOfEverySize) {
  handler() = [](const wsgix_request& request) {
    std::string body;
    char piece[1000];
    for (;;) {
      const ptrdiff_t count = request.calls->read_body(request.stream, piece, sizeof piece, 1);
      if (count <= 0) break;
      body.append(piece, static_cast<std::size_t>(count));
    }
    return respond(request, std::to_string(body.size()) + ":" +
                                std::to_string(body == std::string(body.size(), 'b')));
  };
  serve(2);
  Client client(path_);
  client.ask(RequestHead::kHasBody).end_body();
  EXPECT_EQ(client.answer(), "Welcome ResponseHead body:0:1 ResponseEnd");

  for (const std::size_t size : {1u, 999u, 70'000u, 1'000'000u}) {
    client.ask(RequestHead::kHasBody).body(std::string(size, 'b')).body("").body("b").end_body();
    EXPECT_EQ(client.answer(), "ResponseHead body:" + std::to_string(size + 1) + ":1 ResponseEnd");
  }
}

TEST_F(DispatcherTest, AsksForAnExpectedBodyOnlyWhenTheApplicationReads) {
  handler() = [](const wsgix_request& request) {
    char piece[10];
    if (testing::environ_value(request, "QUERY_STRING") == "read") {
      EXPECT_EQ(request.calls->read_body(request.stream, piece, sizeof piece, 0),
                WSGIX_IO_WOULD_BLOCK);
      EXPECT_EQ(request.calls->read_body(request.stream, piece, sizeof piece, 1), 3);
      EXPECT_EQ(request.calls->read_body(request.stream, piece, sizeof piece, 1), 0);
    }
    return respond(request, "ok");
  };
  serve(1);
  constexpr std::uint8_t kFlags = RequestHead::kHasBody | RequestHead::kExpectsContinue;
  Client client(path_);

  EXPECT_EQ(client.ask(kFlags).answer(), "Welcome ResponseHead body:ok ResponseEnd");
  client.ask(kFlags, "read");
  EXPECT_EQ(client.next(), "WantBody");
  client.body("abc").end_body();
  EXPECT_EQ(client.answer(), "ResponseHead body:ok ResponseEnd");
}

TEST_F(DispatcherTest, TellsTheApplicationWhyABodyEnds) {
  ptrdiff_t result = 0;
  handler() = [&](const wsgix_request& request) {
    char piece[10];
    do {
      result = request.calls->read_body(request.stream, piece, sizeof piece, 1);
    } while (result > 0);
    EXPECT_EQ(request.calls->read_body(request.stream, piece, sizeof piece, 0), result);
    return wsgix_outcome{WSGIX_FAILED, 413, 6006};
  };
  serve(1);
  Client client(path_);
  client.ask(RequestHead::kHasBody).body("abc");
  ASSERT_TRUE(client->queue(FrameType::RequestAbort, wire::AbortReason::BodyTooLarge));
  ASSERT_TRUE(client->flush(Client::soon()));

  EXPECT_EQ(client.next(), "Welcome");
  const auto frame = client->receive(Client::soon());
  ASSERT_EQ(frame->type, FrameType::Failure);
  EXPECT_EQ(wire::decode_failure(frame->payload)->http_status, 413);
  EXPECT_EQ(result, WSGIX_IO_TOO_LARGE);
}

TEST_F(DispatcherTest, DiscardsABodyNobodyReadBeforeTheNextRequest) {
  handler() = [](const wsgix_request& request) { return respond(request, "early"); };
  serve(1);
  Client client(path_);

  client.ask(RequestHead::kHasBody);
  EXPECT_EQ(client.answer(), "Welcome ResponseHead body:early ResponseEnd");
  client.body(std::string(100'000, 'x')).end_body();

  EXPECT_EQ(client.ask().answer(), "ResponseHead body:early ResponseEnd");
}

TEST_F(DispatcherTest, SendsBigBodiesWholeAndInOrder) {
  const std::string big = [] {
    std::string text;
    for (int i = 0; text.size() < 3'000'000; ++i) text += std::to_string(i);
    return text;
  }();
  handler() = [&](const wsgix_request& request) {
    testing::send_head(request, 200);
    request.calls->send_body(request.stream, "first", 5);
    request.calls->send_body(request.stream, big.data(), big.size());
    request.calls->send_body(request.stream, "last", 4);
    return wsgix_outcome{WSGIX_COMPLETE, 0, 0};
  };
  serve(1);
  Client client(path_);
  client.ask();
  EXPECT_EQ(client.next(), "Welcome");
  EXPECT_EQ(client.next(), "ResponseHead");

  std::string received;
  for (std::string one = client.next(); one != "ResponseEnd"; one = client.next()) {
    ASSERT_EQ(one.substr(0, 5), "body:");
    received += one.substr(5);
  }
  EXPECT_TRUE(received == "first" + big + "last");
}

TEST_F(DispatcherTest, KeepsAnswersThatTheirChildrenReadLate) {
  handler() = [](const wsgix_request& request) {
    const std::string size = testing::environ_value(request, "QUERY_STRING");
    const std::string line(static_cast<std::size_t>(std::stoi(size)), 'z');
    testing::send_head(request, 200);
    for (int i = 0; i < 3; ++i) {
      request.calls->send_body(request.stream, line.data(), line.size());
    }
    return wsgix_outcome{WSGIX_COMPLETE, 0, 0};
  };
  // Sizes around what a socket takes: some answers wait in their thread, some are parked.
  constexpr int kChildren = 12;
  serve(kChildren);
  std::vector<std::unique_ptr<Client>> late;
  for (int i = 0; i < kChildren; ++i) {
    late.push_back(std::make_unique<Client>(path_));
    late.back()->ask(0, std::to_string(40'000 + i * 5'000));
  }
  for (auto& client : late) EXPECT_EQ(client->next(), "Welcome");
  dispatcher_->begin_drain();

  for (int i = 0; i < kChildren; ++i) {
    Client& client = *late[static_cast<std::size_t>(i)];
    std::ptrdiff_t received = 0;
    std::string one = client.next();
    for (; one != "ResponseEnd" && one != "closed" && one != "Closing"; one = client.next()) {
      received += std::count(one.begin(), one.end(), 'z');
    }
    if (one == "Closing") continue;  // its request came after the drain had begun
    EXPECT_EQ(one, "ResponseEnd");
    EXPECT_EQ(received, 3 * (40'000 + i * 5'000));
    EXPECT_EQ(client.next(), "Closing");
  }
}

TEST_F(DispatcherTest, MarksACutResponse) {
  handler() = [](const wsgix_request& request) {
    respond(request, "half");
    return wsgix_outcome{WSGIX_CUT, 0, 6004};
  };
  serve(1);
  Client client(path_);

  EXPECT_EQ(client.ask().answer(), "Welcome ResponseHead body:half ResponseCut");
}

TEST_F(DispatcherTest, LogLinesOfALongRequestDoNotWaitForItsEnd) {
  Gate gate;
  handler() = [&](const wsgix_request& request) {
    request.calls->log(request.stream, 4, {}, 0, {"slow query", 10});
    gate.pass();
    return respond(request, "ok");
  };
  serve(1);
  Client client(path_);
  client.ask();
  EXPECT_EQ(client.next(), "Welcome");

  const auto frame = client->receive(Client::soon());
  EXPECT_EQ(frame->type, FrameType::Log);
  EXPECT_EQ(wire::decode_log_record(frame->payload)->text, "slow query");
  gate.open();
  EXPECT_EQ(client.answer(), "ResponseHead body:ok ResponseEnd");
}

TEST_F(DispatcherTest, AWorkerWithoutPythonAnswersEveryRequestWithTheCause) {
  application_ = {nullptr, Error{ErrorCode::PythonDidNotStart, "group 'shop': no encodings"}};
  serve(1);
  Client client(path_);
  for (int i = 0; i < 3; ++i) {
    client.ask();
    if (i == 0) {
      EXPECT_EQ(client.next(), "Welcome");
    }
    const auto frame = client->receive(Client::soon());
    const auto failure = wire::decode_failure(frame->payload);
    EXPECT_EQ(failure->code, 4005u);
    EXPECT_EQ(failure->http_status, 500);
    EXPECT_NE(failure->what.find("no encodings"), std::string_view::npos);
  }
}

TEST_F(DispatcherTest, AStaleScriptClosesEverythingAndReportsOnce) {
  handler() = [](const wsgix_request&) { return wsgix_outcome{WSGIX_STALE, 0, 0}; };
  serve(2);
  Client idle(path_);
  ASSERT_TRUE(idle->flush(Client::soon()));
  EXPECT_EQ(idle.next(), "Welcome");
  Client asking(path_);
  asking.ask();

  EXPECT_EQ(asking.next(), "Welcome");
  EXPECT_EQ(asking.next(), "Closing");
  EXPECT_EQ(asking.next(), "closed");
  EXPECT_EQ(idle.next(), "Closing");
  EXPECT_EQ(idle.next(), "closed");
  EXPECT_EQ(events_.stale.load(), 1);
  EXPECT_EQ(slot_.requests.load(), 0u);
}

TEST_F(DispatcherTest, ADrainFinishesWhatRunsAndStartsNothing) {
  Gate gate;
  handler() = [&](const wsgix_request& request) {
    gate.pass();
    return respond(request, "finished");
  };
  serve(1);
  Client running(path_);
  running.ask();
  gate.await(1);

  EXPECT_TRUE(dispatcher_->begin_drain());
  EXPECT_FALSE(dispatcher_->begin_drain());
  Client late(path_);
  late.ask();
  gate.open();

  EXPECT_EQ(running.answer(), "Welcome ResponseHead body:finished ResponseEnd");
  EXPECT_EQ(running.next(), "Closing");
  EXPECT_EQ(running.next(), "closed");
  pollfd waiting{listener_.get(), POLLIN, 0};
  EXPECT_EQ(::poll(&waiting, 1, 0), 1) << "the late one is another worker's";
}

TEST_F(DispatcherTest, ReportsTheRequestLimitOnceAndGoesOn) {
  handler() = [](const wsgix_request& request) { return respond(request, "ok"); };
  serve(1, 3);
  Client client(path_);
  client.ask().answer();
  for (int i = 0; i < 10; ++i) {
    EXPECT_EQ(client.ask().answer(), "ResponseHead body:ok ResponseEnd");
  }

  EXPECT_EQ(events_.limit.load(), 1);
}

/// Many children, few threads, a drain in the middle: each request is answered, told Busy, or
/// covered by Closing, and the executed ones are exactly the answered ones.
TEST_F(DispatcherTest, ExecutesEachRequestExactlyOnceOrNever) {
  std::atomic<unsigned> executed = 0;
  handler() = [&](const wsgix_request& request) {
    ++executed;
    return respond(request, "ok");
  };
  serve(3);
  std::atomic<unsigned> answered = 0;
  std::atomic<unsigned> lost = 0;
  std::vector<std::thread> children;
  for (int i = 0; i < 8; ++i) {
    children.emplace_back([&] {
      for (bool drained = false; !drained;) {
        auto socket = channel::connect_to(path_);
        if (!socket) continue;
        channel::Channel channel(std::move(*socket));
        (void)channel.queue(FrameType::Hello, wire::Hello{kToken});
        for (int n = 0; n < 20 && !drained; ++n) {
          channel.begin_request(channel.request() + 1);
          (void)channel.queue(FrameType::RequestHead, RequestHead{});
          (void)channel.flush(after(milliseconds(500)));
          for (;;) {
            const auto frame = channel.receive(after(milliseconds(500)));
            if (!frame || frame->type == FrameType::Closing) {
              // Still in the backlog of a worker that drains, or told so.
              lost += frame ? 0 : (frame.error().code == ErrorCode::DeadlinePassed ? 0 : 1);
              drained = true;
              break;
            }
            if (frame->type == FrameType::ResponseEnd) ++answered;
            if (frame->type == FrameType::ResponseEnd || frame->type == FrameType::Busy) break;
          }
        }
      }
    });
  }
  while (executed < 2000) std::this_thread::yield();
  dispatcher_->begin_drain();
  for (std::thread& child : children) child.join();

  EXPECT_EQ(executed.load(), answered.load());
  EXPECT_EQ(lost.load(), 0u);
}

}  // namespace
}  // namespace wsgix::daemon

// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <future>
#include <thread>

#include "fake_server.hpp"

namespace wsgix::python_tests {
namespace {

/// A thread that serves requests, as those of a server do: one after another.
class Interruptions : public RuntimeTest {
 protected:
  std::future<Reply> serve(const Request& request) {
    return std::async(std::launch::async, [request] { return Server::the().handle(request); });
  }

  static int interrupt(std::uint64_t id, int why) {
    return Server::the().runtime().interrupt(id, why);
  }
  /// From a thread that is not inside any request.
  static int interrupt_from_elsewhere(std::uint64_t id, int why) {
    int result = -1;
    std::thread([&] { result = interrupt(id, why); }).join();
    return result;
  }

  Request request_for(const std::string& source, std::uint64_t id) {
    Request request;
    request.script = write(fmt::format("interrupted{}.wsgi", id), source);
    request.id = id;
    return request;
  }

  std::uint64_t next_id() { return ++last_id; }

  void make(const std::string& name) { std::ofstream(folder() + "/" + name) << "x"; }

 private:
  static inline std::uint64_t last_id = 1000;
};

bool has_errors(const Reply& reply) {
  for (const std::string& line : reply.log)
    if (line.starts_with("3 ")) return true;
  return false;
}

constexpr const char* kEndless =
    "import time\n"
    "def linger():\n"
    "    while True:\n"
    "        time.sleep(0.002)\n"
    "def application(environ, start_response):\n"
    "    try:\n"
    "        linger()\n"
    "    except Exception as error:\n"
    "        start_response('200 OK', [])\n"
    "        return [repr(error).encode()]\n";

struct Case {
  int why;
  int status;
  unsigned code;
  const char* name;
  const char* group;
};

TEST_F(Interruptions, EndTheApplicationButAreNoExceptions) {
  const Case cases[] = {
      {WSGIX_DEADLINE_PASSED, 504, 6010, "mod_wsgi.RequestTimeout", ""},
      {WSGIX_CLIENT_LEFT, 499, 6008, "mod_wsgi.ClientDisconnected", ""},
      {WSGIX_DEADLINE_PASSED, 504, 6010, "mod_wsgi.RequestTimeout", "interrupted"},
      {WSGIX_CLIENT_LEFT, 499, 6008, "mod_wsgi.ClientDisconnected", "interrupted"},
  };
  for (const Case& c : cases) {
    Request request = request_for(kEndless, next_id());
    request.application_group = c.group;
    auto reply = serve(request);
    ASSERT_TRUE(Server::the().wait_for_stack(request.id, "in linger"));
    EXPECT_EQ(interrupt(request.id, c.why), 1);

    const Reply ended = reply.get();
    EXPECT_EQ(ended.outcome.kind, WSGIX_FAILED);
    EXPECT_EQ(ended.outcome.status, c.status);
    EXPECT_EQ(ended.outcome.code, c.code);
    EXPECT_FALSE(has_errors(ended)) << ended.whole_log();
    EXPECT_TRUE(ended.logged(fmt::format(": {} ended the request in ", c.name)))
        << ended.whole_log();
  }
}

TEST_F(Interruptions, CutAResponseThatHadBegun) {
  Request request = request_for(
      "import time\n"
      "def application(environ, start_response):\n"
      "    start_response('200 OK', [])\n"
      "    yield b'begun'\n"
      "    while True:\n"
      "        time.sleep(0.002)\n",
      next_id());
  auto reply = serve(request);
  ASSERT_TRUE(Server::the().wait_for_stack(request.id, "line 6"));
  EXPECT_EQ(interrupt(request.id, WSGIX_CLIENT_LEFT), 1);

  const Reply ended = reply.get();
  EXPECT_EQ(ended.outcome.kind, WSGIX_CUT);
  EXPECT_EQ(ended.outcome.code, 6008u);
  EXPECT_EQ(ended.body, "begun");
  EXPECT_FALSE(has_errors(ended)) << ended.whole_log();
}

TEST_F(Interruptions, CanBeCaughtByTheApplication) {
  Request request = request_for(
      "import time, mod_wsgi\n"
      "assert mod_wsgi.RequestTimeout.__bases__ == (BaseException,)\n"
      "assert mod_wsgi.ClientDisconnected.__bases__ == (BaseException,)\n"
      "def application(environ, start_response):\n"
      "    try:\n"
      "        while True:\n"
      "            time.sleep(0.002)\n"
      "    except mod_wsgi.RequestTimeout:\n"
      "        start_response('200 OK', [])\n"
      "        return [b'in time']\n",
      next_id());
  auto reply = serve(request);
  ASSERT_TRUE(Server::the().wait_for_stack(request.id, "line 7"));
  EXPECT_EQ(interrupt(request.id, WSGIX_DEADLINE_PASSED), 1);

  const Reply ended = reply.get();
  EXPECT_EQ(ended.outcome.kind, WSGIX_COMPLETE);
  EXPECT_EQ(ended.body, "in time");
}

TEST_F(Interruptions, FindNobodyOnceTheRequestIsOver) {
  Request request =
      request_for("def application(e, s):\n    s('200 OK', [])\n    return []\n", next_id());
  EXPECT_EQ(serve(request).get().outcome.kind, WSGIX_COMPLETE);

  EXPECT_EQ(interrupt(request.id, WSGIX_DEADLINE_PASSED), 0);
  EXPECT_EQ(interrupt(0, WSGIX_DEADLINE_PASSED), 0);
}

TEST_F(Interruptions, OfAnUnknownKindAreRefused) {
  Request request = request_for(kEndless, next_id());
  auto reply = serve(request);
  ASSERT_TRUE(Server::the().wait_for_stack(request.id, "in linger"));
  EXPECT_EQ(interrupt(request.id, 99), 0);
  EXPECT_EQ(interrupt(request.id, WSGIX_DEADLINE_PASSED), 1);
  EXPECT_EQ(reply.get().outcome.status, 504);
}

// The body is longer than what may be sent with the GIL, and no Python code follows it.
constexpr const char* kLongBlock =
    "def application(environ, start_response):\n"
    "    start_response('200 OK', [])\n"
    "    return [b'x' * 70000]\n";

TEST_F(Interruptions, NeverReachTheNextRequestOfTheThread) {
  Request request = request_for(kLongBlock, next_id());
  int interrupted = -1;
  request.on_body = [&] {
    interrupted = interrupt_from_elsewhere(request.id, WSGIX_DEADLINE_PASSED);
  };
  Request next = request_for(
      "def application(environ, start_response):\n"
      "    start_response('200 OK', [])\n"
      "    return [str(sum(range(1000))).encode()]\n",
      next_id());
  const auto [first, second] = std::async(std::launch::async, [&] {
                                 Reply reply = Server::the().handle(request);
                                 return std::pair(reply, Server::the().handle(next));
                               }).get();

  EXPECT_EQ(interrupted, 1);
  EXPECT_EQ(first.outcome.kind, WSGIX_COMPLETE) << first.whole_log();
  EXPECT_EQ(second.outcome.kind, WSGIX_COMPLETE) << second.whole_log();
  EXPECT_EQ(second.body, "499500");
}

constexpr const char* kClosing =
    "import time\n"
    "class Result:\n"
    "    def __iter__(self):\n"
    "        return iter([b'x' * 70000])\n"
    "    def close(self):\n"
    "        for _ in range(endless):\n"
    "            time.sleep(0.002)\n"
    "        print('closed')\n"
    "def application(environ, start_response):\n"
    "    start_response('200 OK', [])\n"
    "    return Result()\n";

TEST_F(Interruptions, ThatComeTooLateDoNotPreventClose) {
  Request request = request_for("endless = 3\n" + std::string(kClosing), next_id());
  request.on_body = [&] { EXPECT_EQ(interrupt_from_elsewhere(request.id, WSGIX_CLIENT_LEFT), 1); };
  const Reply reply = serve(request).get();

  EXPECT_EQ(reply.outcome.kind, WSGIX_COMPLETE) << reply.whole_log();
  EXPECT_TRUE(reply.logged("closed")) << reply.whole_log();
}

TEST_F(Interruptions, EndACloseThatTakesTooLong) {
  Request request = request_for("endless = 10**9\n" + std::string(kClosing), next_id());
  auto reply = serve(request);
  ASSERT_TRUE(Server::the().wait_for_stack(request.id, "in close"));
  EXPECT_EQ(interrupt(request.id, WSGIX_DEADLINE_PASSED), 1);

  const Reply ended = reply.get();
  EXPECT_EQ(ended.outcome.kind, WSGIX_COMPLETE);
  EXPECT_FALSE(ended.logged("closed"));
  EXPECT_TRUE(ended.logged("in close")) << ended.whole_log();
  EXPECT_FALSE(has_errors(ended)) << ended.whole_log();
}

/// Loads for as long as there is no file `go` beside it.
constexpr const char* kSlowScript =
    "import os, time\n"
    "here = os.path.dirname(__file__)\n"
    "def load():\n"
    "    while not os.path.exists(here + '/go'):\n"
    "        time.sleep(0.002)\n"
    "load()\n"
    "def application(environ, start_response):\n"
    "    start_response('200 OK', [])\n"
    "    return [b'loaded']\n";

TEST_F(Interruptions, OfALoadAreNotTheFailureOfTheScript) {
  Request first = request_for(kSlowScript, next_id());
  auto loading = serve(first);
  ASSERT_TRUE(Server::the().wait_for_stack(first.id, "in load"));
  Request second = first;
  second.id = next_id();
  auto waiting = serve(second);
  ASSERT_TRUE(Server::the().wait_for_stack(second.id, "waits for the thread that loads"));

  EXPECT_EQ(interrupt(first.id, WSGIX_DEADLINE_PASSED), 1);
  const Reply ended = loading.get();
  EXPECT_EQ(ended.outcome.kind, WSGIX_FAILED);
  EXPECT_EQ(ended.outcome.status, 504);
  EXPECT_EQ(ended.loading, (std::vector<int>{1, 0}));
  EXPECT_FALSE(has_errors(ended)) << ended.whole_log();

  ASSERT_TRUE(Server::the().wait_for_stack(second.id, "in load")) << "nobody took its place";
  make("go");
  const Reply loaded = waiting.get();
  EXPECT_EQ(loaded.body, "loaded") << loaded.whole_log();
  EXPECT_EQ(loaded.loading, (std::vector<int>{1, 0}));
}

TEST_F(Interruptions, ReachThoseWhoWaitForALoad) {
  Request first = request_for(kSlowScript, next_id());
  auto loading = serve(first);
  ASSERT_TRUE(Server::the().wait_for_stack(first.id, "in load"));
  Request second = first;
  second.id = next_id();
  auto waiting = serve(second);
  ASSERT_TRUE(Server::the().wait_for_stack(second.id, "waits for the thread that loads"));

  EXPECT_EQ(interrupt(second.id, WSGIX_CLIENT_LEFT), 1);
  const Reply ended = waiting.get();
  EXPECT_EQ(ended.outcome.status, 499);
  EXPECT_EQ(ended.loading, (std::vector<int>{1, 0}));
  make("go");
  EXPECT_EQ(loading.get().body, "loaded");
}

TEST_F(Interruptions, ThatTheScriptMadeAnErrorOfStillEndTheRequestOnly) {
  Request request = request_for(
      "import time\n"
      "def load():\n"
      "    try:\n"
      "        while True:\n"
      "            time.sleep(0.002)\n"
      "    except BaseException:\n"
      "        raise ImportError('wrapped')\n"
      "load()\n",
      next_id());
  auto reply = serve(request);
  ASSERT_TRUE(Server::the().wait_for_stack(request.id, "in load"));
  EXPECT_EQ(interrupt(request.id, WSGIX_DEADLINE_PASSED), 1);

  const Reply ended = reply.get();
  EXPECT_EQ(ended.outcome.status, 504);
  EXPECT_TRUE(ended.logged("ImportError: wrapped")) << ended.whole_log();
}

TEST_F(Interruptions, ReachTheReloadHook) {
  Request request = request_for(
      "import time\n"
      "served = False\n"
      "def reload_required(path):\n"
      "    while served:\n"
      "        time.sleep(0.002)\n"
      "def application(environ, start_response):\n"
      "    global served\n"
      "    served = True\n"
      "    start_response('200 OK', [])\n"
      "    return [b'ran']\n",
      next_id());
  EXPECT_EQ(serve(request).get().body, "ran");
  auto reply = serve(request);
  ASSERT_TRUE(Server::the().wait_for_stack(request.id, "in reload_required"));
  EXPECT_EQ(interrupt(request.id, WSGIX_DEADLINE_PASSED), 1);

  const Reply ended = reply.get();
  EXPECT_EQ(ended.outcome.status, 504);
  EXPECT_EQ(ended.body, "");
  EXPECT_FALSE(ended.logged("WX5010")) << ended.whole_log();
}

TEST_F(Interruptions, AreToldApartFromSlowLoads) {
  Request request = request_for(kLongBlock, next_id());
  EXPECT_EQ(serve(request).get().loading, (std::vector<int>{1, 0}));
  EXPECT_EQ(serve(request).get().loading, std::vector<int>());
}

}  // namespace
}  // namespace wsgix::python_tests

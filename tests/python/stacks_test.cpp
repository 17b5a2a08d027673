// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <fmt/format.h>
#include <pthread.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <csignal>
#include <future>
#include <thread>

#include "fake_server.hpp"

namespace wsgix::python_tests {
namespace {

using Lines = std::vector<std::string>;

class Stacks : public RuntimeTest {
 protected:
  Request waiting_request(std::uint64_t id, const std::string& group) {
    Request request;
    request.id = id;
    request.application_group = group;
    request.script = write(fmt::format("stack{}.wsgi", id),
                           "import os, time\n"
                           "go = os.path.dirname(__file__) + '/go'\n"
                           "def nest(levels):\n"
                           "    if levels:\n"
                           "        return nest(levels - 1)\n"
                           "    while not os.access(go, os.F_OK):\n"
                           "        time.sleep(0.002)\n"
                           "def application(environ, start_response):\n"
                           "    nest(int(environ['QUERY_STRING'] or 0))\n"
                           "    start_response('200 OK', [])\n"
                           "    return []\n");
    return request;
  }

  std::future<Reply> serve(const Request& request) {
    return std::async(std::launch::async, [request] { return Server::the().handle(request); });
  }
};

TEST_F(Stacks, ShowTheThreadOfARequest) {
  const Request request = waiting_request(501, "stacks");
  auto reply = serve(request);
  ASSERT_TRUE(Server::the().wait_for_stack(501, "in nest"));
  const Lines lines = Server::the().stacks(501);
  write("go", "");
  reply.get();

  ASSERT_EQ(lines.size(), 3u);
  EXPECT_TRUE(lines[0].starts_with("thread ")) << lines[0];
  EXPECT_TRUE(lines[0].ends_with(" of application group 'stacks' (request 501)")) << lines[0];
  EXPECT_EQ(lines[1], "  File \"" + request.script + "\", line 9, in application");
  EXPECT_TRUE(lines[2].starts_with("  File \"" + request.script + "\", line ")) << lines[2];
  EXPECT_TRUE(lines[2].ends_with(", in nest")) << lines[2];
  EXPECT_EQ(Server::the().stacks(501), Lines()) << "the request is over";
}

TEST_F(Stacks, ShowEveryRequest) {
  auto one = serve(waiting_request(502, ""));
  auto two = serve(waiting_request(503, "stacks"));
  ASSERT_TRUE(Server::the().wait_for_stack(502, "in nest"));
  ASSERT_TRUE(Server::the().wait_for_stack(503, "in nest"));
  const Lines lines = Server::the().stacks(0);
  write("go", "");
  one.get();
  two.get();

  const auto has = [&](const std::string& end) {
    return std::any_of(lines.begin(), lines.end(),
                       [&](const std::string& line) { return line.ends_with(end); });
  };
  EXPECT_TRUE(has(" of the main interpreter (request 502)"));
  EXPECT_TRUE(has(" of application group 'stacks' (request 503)"));
}

TEST_F(Stacks, AreCutAtTheOuterEnd) {
  Request request = waiting_request(504, "");
  request.environ = {{"QUERY_STRING", "200"}};
  auto reply = serve(request);
  ASSERT_TRUE(Server::the().wait_for_stack(504, "line 7, in nest"));
  const Lines lines = Server::the().stacks(504);
  write("go", "");
  reply.get();

  ASSERT_EQ(lines.size(), 62u);
  EXPECT_EQ(lines[1], "  only the last 60 frames:");
  EXPECT_TRUE(lines[61].ends_with(", in nest")) << lines[61];
}

// Escaped by whoever writes the log.
TEST_F(Stacks, KeepALineOneCallWhateverIsInIt) {
  Request request = waiting_request(505, "two\nlines");
  auto reply = serve(request);
  ASSERT_TRUE(Server::the().wait_for_stack(505, "in nest"));
  const Lines lines = Server::the().stacks(505);
  write("go", "");
  reply.get();

  EXPECT_NE(lines[0].find("'two\nlines'"), std::string::npos) << lines[0];
}

/// What the signal has written so far.
std::string written_stacks() {
  std::string text(1 << 16, '\0');
  const ssize_t size = ::pread(Server::the().settings().stacks_fd, text.data(), text.size(), 0);
  text.resize(size > 0 ? static_cast<std::size_t>(size) : 0);
  return text;
}

/// Serves on a thread whose memory is certainly gone when it has ended: larger than what the C
/// library keeps for the next thread.
void serve_on_a_thread_that_vanishes(Request request) {
  pthread_attr_t attributes;
  ASSERT_EQ(::pthread_attr_init(&attributes), 0);
  ASSERT_EQ(::pthread_attr_setstacksize(&attributes, std::size_t{64} << 20), 0);
  const auto serve = [](void* given) -> void* {
    Server::the().handle(*static_cast<Request*>(given));
    return nullptr;
  };
  pthread_t thread;
  ASSERT_EQ(::pthread_create(&thread, &attributes, serve, &request), 0);
  ::pthread_join(thread, nullptr);
  ::pthread_attr_destroy(&attributes);
}

TEST_F(Stacks, AreWrittenWhenThreadsThatServedAreGone) {
  Request request;
  request.script = write("served.wsgi",
                         "def application(environ, start_response):\n"
                         "    start_response('200 OK', [])\n"
                         "    return []\n");
  for (const char* group : {"", "vanishing"}) {
    request.application_group = group;
    serve_on_a_thread_that_vanishes(request);  // the first one makes the interpreter
    serve_on_a_thread_that_vanishes(request);
  }
  const int descriptor = Server::the().settings().stacks_fd;
  ASSERT_EQ(::ftruncate(descriptor, 0), 0);
  ASSERT_EQ(::lseek(descriptor, 0, SEEK_SET), 0);
  const std::string heading = "sub interpreter 'vanishing'";
  // The second answer begins when the first one is complete.
  for (std::size_t answered = 0, signals = 1; signals <= 2; ++signals) {
    ::kill(::getpid(), Server::the().settings().stacks_signal);
    std::size_t found = std::string::npos;
    for (int i = 0; i < 400 && found == std::string::npos; ++i) {
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
      found = written_stacks().find(heading, answered);
    }
    ASSERT_NE(found, std::string::npos) << written_stacks();
    answered = found + heading.size();
  }
}

TEST_F(Stacks, AreWrittenAtASignalWhileNobodyGetsTheGil) {
  for (const char* group : {"", "signalled"}) {
    Request request;
    request.id = 506;
    request.application_group = group;
    // PyDLL keeps the GIL.
    const std::string go = folder() + "/holds";
    request.script = write("hold.wsgi",
                           "import ctypes\n"
                           "libc = ctypes.PyDLL(None)\n"
                           "def hold_the_gil():\n"
                           "    open('" +
                               go +
                               "', 'w').close()\n"
                               "    libc.usleep(900000)\n"
                               "def application(environ, start_response):\n"
                               "    hold_the_gil()\n"
                               "    start_response('200 OK', [])\n"
                               "    return []\n");
    const int descriptor = Server::the().settings().stacks_fd;
    ASSERT_EQ(::ftruncate(descriptor, 0), 0);
    ASSERT_EQ(::lseek(descriptor, 0, SEEK_SET), 0);
    auto reply = serve(request);
    while (::access(go.c_str(), F_OK) != 0) std::this_thread::yield();
    // Each thread is where it stays before the next one comes: the application in its C function,
    // and then the heart in its wait, as faulthandler crashes over a thread state that is just
    // being made.
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
    std::atomic<bool> beats = false;
    std::thread heart([&] {
      Server::the().runtime().heartbeat();
      beats = true;
    });
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
    ::kill(::getpid(), Server::the().settings().stacks_signal);
    std::string text;
    for (int i = 0; i < 40 && text.find("hold_the_gil") == std::string::npos; ++i) {
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
      text = written_stacks();
    }
    const bool was_stuck = !beats;
    EXPECT_EQ(reply.get().outcome.kind, WSGIX_COMPLETE);
    heart.join();

    EXPECT_NE(text.find("hold.wsgi\", line 5 in hold_the_gil"), std::string::npos)
        << "group '" << group << "': " << text;
    EXPECT_TRUE(was_stuck) << "the heartbeat did not need Python";
    std::remove(go.c_str());
  }
}

}  // namespace
}  // namespace wsgix::python_tests

// SPDX-License-Identifier: Apache-2.0
// The tests run on the thread that called start(), as service scripts must.
#include <signal.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <filesystem>
#include <thread>

#include "fake_server.hpp"

namespace wsgix::python_tests {
namespace {

class Service : public RuntimeTest {
 protected:
  int run_script(const std::string& source, const std::string& group = {}) {
    Server::the().take_process_log();
    Request request;
    request.script = write("service.py", source);
    request.application_group = group;
    why_ = {};
    return Server::the().run_service(request, why_);
  }

  /// The signal comes once the script has made the file `ready`.
  int run_and_signal(const std::string& source, int signal_number, const std::string& group = {}) {
    std::atomic<bool> is_over = false;
    std::thread sender([&] {
      const std::string ready = folder() + "/ready";
      while (!is_over && !std::filesystem::exists(ready))
        std::this_thread::sleep_for(std::chrono::milliseconds(2));
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
      if (!is_over) ::kill(::getpid(), signal_number);
    });
    const int result = run_script(
        "import os, time\nopen(os.path.dirname(__file__) + '/ready', 'w').close()\n" + source,
        group);
    is_over = true;
    sender.join();
    return result;
  }

  std::string log() {
    std::string text;
    for (const std::string& line : Server::the().take_process_log()) text += line + "\n";
    return text;
  }

  wsgix_failure why_ = {};
};

TEST_F(Service, RunsToItsEnd) {
  for (const char* group : {"", "service"}) {
    EXPECT_EQ(run_script("import mod_wsgi\n"
                         "print(__name__[:10], mod_wsgi.application_group)\n",
                         group),
              0);
    EXPECT_EQ(log(), "3 _mod_wsgi_ " + std::string(group) + "\n");
  }
}

TEST_F(Service, MayLeaveWithSystemExit) {
  EXPECT_EQ(run_script("import sys\nsys.exit('unlogged')\n"), 0);
  EXPECT_EQ(log(), "");
}

TEST_F(Service, MayServe) {
  EXPECT_EQ(run_script("import socketserver\n"
                       "server = socketserver.TCPServer(('127.0.0.1', 0), None)\n"
                       "server.service_actions = lambda: exit()\n"
                       "server.serve_forever(0.01)\n"),
            0);
  EXPECT_EQ(log(), "");
}

TEST_F(Service, ThatRaisesIsLoggedWithItsTraceback) {
  EXPECT_EQ(run_script("def work():\n    1 / 0\nwork()\n"), 1);

  const std::string text = log();
  EXPECT_EQ(why_.code, 5003u);
  EXPECT_NE(text.find("3 WX5003: service script " + folder() +
                      "/service.py, line 2: "
                      "ZeroDivisionError"),
            std::string::npos)
      << text;
  EXPECT_NE(text.find("in work"), std::string::npos) << text;
}

TEST_F(Service, ThatCannotBeReadOrParsedSaysSo) {
  EXPECT_EQ(run_script("def broken(:\n"), 1);
  EXPECT_EQ(why_.code, 5002u);

  Request request;
  request.script = folder() + "/none.py";
  EXPECT_EQ(Server::the().run_service(request, why_), 1);
  EXPECT_EQ(why_.code, 5001u);
}

TEST_F(Service, CleansUpWhenItIsTerminated) {
  for (const int number : {SIGTERM, SIGINT}) {
    std::filesystem::remove(folder() + "/ready");
    EXPECT_EQ(run_and_signal("try:\n"
                             "    time.sleep(20)\n"
                             "    print('overslept')\n"
                             "finally:\n"
                             "    os.kill(os.getpid(), 15)\n"
                             "    time.sleep(0.02)\n"
                             "    print('clean')\n",
                             number),
              0);
    EXPECT_EQ(log(), "3 clean\n");
  }
}

TEST_F(Service, CleansUpInASubInterpreter) {
  EXPECT_EQ(run_and_signal("try:\n"
                           "    for _ in range(2000):\n"
                           "        time.sleep(0.01)\n"
                           "    print('overslept')\n"
                           "finally:\n"
                           "    os.kill(os.getpid(), 15)\n"
                           "    time.sleep(0.02)\n"
                           "    print('clean')\n",
                           SIGTERM, "service"),
            0);
  EXPECT_EQ(log(), "3 clean\n");
}

TEST_F(Service, HandlesSignalsItself) {
  EXPECT_EQ(run_and_signal("import signal\n"
                           "def handle(number, frame):\n"
                           "    print('handled', number)\n"
                           "    raise SystemExit\n"
                           "signal.signal(signal.SIGTERM, handle)\n"
                           "time.sleep(20)\n",
                           SIGTERM),
            0);
  EXPECT_EQ(log(), "3 handled 15\n");
}

TEST_F(Service, GivesSignalsBack) {
  for (const char* group : {"", "service"}) {
    struct sigaction mine = {}, after = {};
    mine.sa_handler = [](int) {};
    ::sigaction(SIGTERM, &mine, nullptr);
    EXPECT_EQ(run_script("pass\n", group), 0);
    ::sigaction(SIGTERM, nullptr, &after);

    EXPECT_EQ(after.sa_handler, mine.sa_handler);
    ::signal(SIGTERM, SIG_DFL);
  }
}

}  // namespace
}  // namespace wsgix::python_tests

// SPDX-License-Identifier: Apache-2.0
#include <thread>

#include "fake_server.hpp"

namespace wsgix::python_tests {
namespace {

class Interpreters : public RuntimeTest {};

Request in_group(const std::string& group) {
  Request request;
  request.application_group = group;
  return request;
}

TEST_F(Interpreters, AreSeparateAndKept) {
  const std::string set = "import builtins\nbuiltins.mark = getattr(builtins, 'mark', 0) + 1\n";
  const std::string body =
      set + answering("(builtins.mark, environ['mod_wsgi.application_group'])");

  EXPECT_EQ(run_body(body, in_group("one")).body, "(1, 'one')");
  EXPECT_EQ(run_body(body, in_group("one")).body, "(2, 'one')");
  EXPECT_EQ(run_body(body, in_group("two")).body, "(1, 'two')");
  EXPECT_EQ(run_body(body).body, "(1, '')");
}

TEST_F(Interpreters, NameThemselvesInReports) {
  EXPECT_TRUE(run_body("1 / 0", in_group("one"))
                  .logged("in the sub interpreter 'one' of daemon process 'shop'"));
}

TEST_F(Interpreters, ThreadLocalDataSurviveBetweenRequestsOfAThread) {
  const std::string body =
      "import builtins, threading\n"
      "local = builtins.__dict__.setdefault('local_x', threading.local())\n"
      "local.count = getattr(local, 'count', 0) + 1\n" +
      answering("local.count");

  EXPECT_EQ(run_body(body, in_group("local")).body, "1");
  EXPECT_EQ(run_body(body, in_group("local")).body, "2");
  std::string elsewhere;
  std::thread([&] { elsewhere = run_body(body, in_group("local")).body; }).join();
  EXPECT_EQ(elsewhere, "1");
}

TEST_F(Interpreters, ServeManyThreadsAtOnce) {
  constexpr int kThreads = 12;
  constexpr int kRequests = 60;
  const std::string script =
      write("busy.wsgi",
            "import threading\n"
            "def application(environ, start_response):\n"
            "    data = environ['wsgi.input'].read()\n"
            "    print('note', environ['HTTP_ID'])\n"
            "    environ['wsgi.errors'].write('error ' + environ['HTTP_ID'] + '\\n')\n"
            "    start_response('200 OK', [('X-Id', environ['HTTP_ID'])])\n"
            "    def body():\n"
            "        yield data\n"
            "        yield environ['HTTP_ID'].encode()\n"
            "    return body()\n");
  std::atomic<int> good = 0;
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < kRequests; ++i) {
        const std::string id = std::to_string(t * kRequests + i);
        Request request = in_group(i % 3 == 0 ? "" : i % 3 == 1 ? "one" : "many");
        request.script = script;
        request.environ = {{"HTTP_ID", id}};
        request.body = {"body", "-"};
        request.body_waits = i % 2 == 0;
        const Reply reply = Server::the().handle(request);
        good += reply.body == "body-" + id && reply.header("X-Id") == id &&
                reply.log == std::vector<std::string>{"3 note " + id, "3 error " + id};
      }
    });
  }
  for (std::thread& thread : threads) thread.join();

  EXPECT_EQ(good, kThreads * kRequests);
}

TEST_F(Interpreters, GetPathsOfTheirOwnAtStart) {
  auto& settings = Server::the().settings();
  write("home/in_home_x.py", "");
  write("site/in_site_x.py", "");
  write("site/more.pth", folder() + "/linked\n");
  write("linked/in_linked_x.py", "");
  const std::string home = folder() + "/home";
  const std::string site = folder() + "/site";
  const wsgix_text path[] = {{site.data(), site.size()}};
  settings.home = home.c_str();
  settings.python_path = path;
  settings.python_path_count = 1;
  const Reply reply = run_body("import in_home_x, in_site_x, in_linked_x\n" +
                                   answering("[p.rpartition('/')[2] for p in sys.path[:3]]"),
                               in_group("paths"));
  settings.home = nullptr;
  settings.python_path = nullptr;
  settings.python_path_count = 0;

  EXPECT_EQ(reply.body, "['home', 'site', 'linked']") << reply.whole_log();
}

}  // namespace
}  // namespace wsgix::python_tests

// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <system_error>
#include <thread>

#include "fake_server.hpp"

namespace wsgix::python_tests {
namespace {

constexpr const char* kHello =
    "def application(environ, start_response):\n"
    "    start_response('200 OK', [])\n"
    "    return [%]\n";

std::string hello(const std::string& expression) {
  std::string text = kHello;
  return text.replace(text.find('%'), 1, expression);
}

class Loader : public RuntimeTest {
 protected:
  /// The script fails to load: 500, that number, that text in the first record.
  void expect_failure(const std::string& source, unsigned code, const std::string& text,
                      const std::string& remedy = "Remedy: ") {
    const Reply reply = run(source);
    EXPECT_EQ(reply.outcome.kind, WSGIX_FAILED) << source;
    EXPECT_EQ(reply.outcome.status, 500) << source;
    EXPECT_EQ(reply.outcome.code, code) << reply.whole_log();
    ASSERT_FALSE(reply.log.empty()) << source;
    EXPECT_TRUE(reply.log[0].starts_with(fmt::format("3 WX{}: ", code))) << reply.log[0];
    EXPECT_NE(reply.log[0].find(folder()), std::string::npos) << reply.log[0];
    EXPECT_NE(reply.log[0].find(text), std::string::npos) << reply.log[0];
    EXPECT_NE(reply.log[0].find(remedy), std::string::npos) << reply.log[0];
  }
};

TEST_F(Loader, GivesTheModuleItsNames) {
  const Reply reply = run(hello("repr((__name__, __file__, __mtime__)).encode()"));
  const Reply stable = run(hello("str(len(__name__)).encode()"));

  EXPECT_EQ(reply.body.substr(0, 12), "('_mod_wsgi_") << reply.whole_log();
  EXPECT_NE(reply.body.find("script0.wsgi', 1000000001000005)"), std::string::npos) << reply.body;
  EXPECT_EQ(stable.body, std::to_string(10 + 32));
}

TEST_F(Loader, HonoursTheCodingLine) {
  EXPECT_EQ(run("# -*- coding: latin-1 -*-\nx = '\xfc'\n" + hello("str(ord(x)).encode()")).body,
            "252");
}

TEST_F(Loader, KeepsTheModuleUntilTheFileChanges) {
  Request request;
  request.script = write(
      "count.wsgi", "import itertools\nc = itertools.count()\n" + hello("str(next(c)).encode()"));
  EXPECT_EQ(Server::the().handle(request).body, "0");
  EXPECT_EQ(Server::the().handle(request).body, "1");

  write("count.wsgi", hello("b'new'"));
  request.reloading = false;
  EXPECT_EQ(Server::the().handle(request).body, "2");
  request.reloading = true;
  EXPECT_EQ(Server::the().handle(request).body, "new");
}

TEST_F(Loader, TrustsTheCallersTimeOnlyWhenItFits) {
  Request request;
  request.script = write(
      "time.wsgi", "import itertools\nc = itertools.count()\n" + hello("str(next(c)).encode()"));
  EXPECT_EQ(Server::the().handle(request).body, "0");

  request.modified_us = 5;  // looked at before the last change
  EXPECT_EQ(Server::the().handle(request).body, "1");
}

TEST_F(Loader, ImportsAScriptThatIsNoApplication) {
  Request request;
  request.script = write("warm_up.py", "import sys\nsys.warmed_up = True\n");
  wsgix_failure why{};
  request.callable_name.clear();

  EXPECT_EQ(Server::the().load(request, why), 0) << why.what;
  EXPECT_EQ(Server::the().load(request, why), 0) << why.what;
  EXPECT_EQ(run("import sys\n" + hello("str(sys.warmed_up).encode()")).body, "True");

  request.callable_name = "application";
  EXPECT_EQ(Server::the().load(request, why), 1);
  EXPECT_EQ(why.code, 5006u);
}

TEST_F(Loader, AnswersStaleWhenItMayNotReloadInPlace) {
  Request request;
  request.script = write("stale.wsgi", hello("b'old'"));
  Server::the().handle(request);
  write("stale.wsgi", hello("b'new'"));

  Server::the().settings().reload_in_place = 0;
  const Reply reply = Server::the().handle(request);
  Server::the().settings().reload_in_place = 1;

  EXPECT_EQ(reply.outcome.kind, WSGIX_STALE);
  EXPECT_TRUE(reply.events.empty());
}

TEST_F(Loader, AsksTheScriptWhetherToReload) {
  Request request;
  request.script =
      write("hook.wsgi",
            "import itertools, sys\n"
            "due = False\n"
            "def reload_required(path):\n"
            "    assert path == __file__\n"
            "    if due == 'error':\n        raise ValueError('hook')\n"
            "    return due\n"
            "c = itertools.count()\n"
            "def application(environ, start_response):\n"
            "    global due\n"
            "    due = {'/': False, '/due': True, '/error': 'error'}[environ['PATH_INFO']]\n"
            "    start_response('200 OK', [])\n"
            "    return [str(next(c)).encode()]\n");
  Request due = request;
  due.environ = {{"PATH_INFO", "/due"}};
  Request error = request;
  error.environ = {{"PATH_INFO", "/error"}};

  EXPECT_EQ(Server::the().handle(request).body, "0");
  EXPECT_EQ(Server::the().handle(due).body, "1");
  EXPECT_EQ(Server::the().handle(error).body, "0") << "was not executed again";
  const Reply reply = Server::the().handle(request);
  EXPECT_EQ(reply.body, "1");
  EXPECT_TRUE(reply.logged("3 WX5010")) << reply.whole_log();
}

TEST_F(Loader, TheRepairedScriptWorksAtOnce) {
  for (const bool in_place : {true, false}) {
    Server::the().settings().reload_in_place = in_place;
    for (const char* broken : {"syntax error here\n", "raise ValueError\n", "x = 1\n"}) {
      Request request;
      request.script = write("repair.wsgi", broken);
      EXPECT_EQ(Server::the().handle(request).outcome.kind, WSGIX_FAILED);
      write("repair.wsgi", hello("b'works'"));
      EXPECT_EQ(Server::the().handle(request).body, "works") << broken;
      std::filesystem::remove(request.script);
      Server::the().settings().reload_in_place = 1;
      EXPECT_EQ(Server::the().handle(request).outcome.code, 5001u);
      Server::the().settings().reload_in_place = in_place;
    }
  }
  Server::the().settings().reload_in_place = 1;
}

TEST_F(Loader, NamesWhatIsWrongWithTheSource) {
  expect_failure("x = 1\ny = = 2\n", 5002, "line 2: invalid syntax: y = = 2");
  expect_failure(std::string("x = 1\ny\0 = 2\n", 14), 5009, "line 2: there is a NUL byte");
  expect_failure("import os\n\nraise ValueError('boom')\n", 5003, "line 3: ValueError: boom");
  expect_failure("import sys\nsys.exit(4)\n", 5004,
                 "line 2: the script ended itself with SystemExit(4)");
}

TEST_F(Loader, NamesPython2Code) {
  expect_failure(
      "activate_this = '/x/bin/activate_this.py'\n"
      "execfile(activate_this, dict(__file__=activate_this))\n",
      5008, "line 2: execfile() exists in Python 2 only",
      "python-home=/path/to/venv to WSGIDaemonProcess");
  expect_failure("print 'x'\n", 5008, "line 1", "print(...)");
  // PEP 758 makes this Python 3 code again, with another meaning.
  if (minor_version() < 14)
    expect_failure("try:\n    pass\nexcept ValueError, e:\n    pass\n", 5008, "line 3",
                   "except Class as name");
  expect_failure("import urllib2\n", 5008, "urllib2", "use urllib.request");
  expect_failure("x = unicode('a')\n", 5008, "unicode()", "use str");
}

TEST_F(Loader, ListsTheCallablesInPlaceOfTheMissingOne) {
  expect_failure("import json\nclass A: pass\ndef app(): pass\nother = len\n_private = len\n", 5006,
                 "has no callable 'application'; callables found: app, other",
                 "WSGICallableObject app");
  expect_failure("application = 3\n", 5006,
                 "'application' is of type int, which cannot be called; the script has no function "
                 "or object that could be the application");
  expect_failure("class A: pass\n", 5006,
                 "has no callable 'application'; the script has no function or object");
}

TEST_F(Loader, SaysWhyAScriptFailsOnceAndThenCounts) {
  Request request;
  request.script = write("broken.wsgi", "raise ValueError('boom')\n");
  const Reply first = Server::the().handle(request);
  const Reply second = Server::the().handle(request);
  const Reply third = Server::the().handle(request);
  write("broken.wsgi", "\nraise ValueError('boom')\n");
  const Reply changed = Server::the().handle(request);

  EXPECT_TRUE(first.logged("Traceback")) << first.whole_log();
  ASSERT_EQ(second.log.size(), 1u) << second.whole_log();
  EXPECT_TRUE(second.logged("WX5003: script " + request.script + " fails as before"));
  EXPECT_TRUE(second.logged("refused since: 1.")) << second.whole_log();
  EXPECT_TRUE(third.logged("refused since: 2.")) << third.whole_log();
  EXPECT_TRUE(changed.logged("Traceback") && changed.logged("line 2")) << changed.whole_log();
}

TEST_F(Loader, SaysWhereAMissingModuleIs) {
  expect_failure("import os\nimport no_such_module_x\n", 5007,
                 "line 2: No module named 'no_such_module_x'; this is Python 3.");
  write("venv/pyvenv.cfg", "home = /usr/bin\n");
  write("venv/lib/python3.11/site-packages/only_in_venv_x/__init__.py", "");
  expect_failure("import only_in_venv_x\n", 5007, "only_in_venv_x",
                 "add python-home=" + folder() + "/venv to WSGIDaemonProcess shop");
  write("beside_x.py", "");
  expect_failure("import beside_x\n", 5007, "beside_x", "add python-path=" + folder());
  write("package_x/__init__.py", "");
  expect_failure("import package_x\n", 5007, "package_x", "add python-path=" + folder());
}

TEST_F(Loader, TakesNoFolderOfTheSameNameForTheMissingModule) {
  write("only_folder_x/shop/__init__.py", "");
  write("only_folder_x/settings.py", "");
  expect_failure("import only_folder_x\n", 5007, "only_folder_x", "install the module");
  write("json/missing_x.txt", "");
  expect_failure("import json.missing_x\n", 5007, "json.missing_x", "install the module");
}

TEST_F(Loader, RefusesServersThatAScriptStarts) {
  expect_failure(
      "from wsgiref.simple_server import make_server\n"
      "server = make_server('127.0.0.1', 0, None)\n"
      "server.serve_forever()\n",
      5005, "line 3: the script starts a server of its own");
  // Later than the import it is the application's own business.
  EXPECT_EQ(run("import http.server, threading\n"
                "def application(environ, start_response):\n"
                "    server = http.server.HTTPServer(('127.0.0.1', 0), None)\n"
                "    thread = threading.Thread(target=server.serve_forever)\n"
                "    thread.start()\n"
                "    server.shutdown()\n"
                "    thread.join()\n"
                "    server.server_close()\n"
                "    start_response('200 OK', [])\n"
                "    return [b'served']\n")
                .body,
            "served");
}

TEST_F(Loader, RefusesFlaskRun) {
  const Reply reply = run("from flask import Flask\napp = Flask(__name__)\napp.run(port=0)\n");
  if (reply.outcome.code == 5007) GTEST_SKIP() << "this Python has no Flask";

  EXPECT_EQ(reply.outcome.code, 5005u) << reply.whole_log();
  EXPECT_TRUE(reply.logged("line 3: the script starts a server of its own"));
  EXPECT_TRUE(reply.logged("if __name__ == '__main__'"));
}

TEST_F(Loader, NamesTheDirectoryThatStandsInTheWay) {
  if (::geteuid() != 0) GTEST_SKIP() << "only root can become somebody else";
  Request request;
  request.script = write("closed/app.wsgi", hello("b''"));
  ::chmod((folder() + "/closed").c_str(), 0700);
  ASSERT_EQ(::seteuid(65534), 0);
  const Reply closed = Server::the().handle(request);
  ASSERT_EQ(::seteuid(0), 0);
  ::chmod((folder() + "/closed").c_str(), 0755);
  ::chmod(request.script.c_str(), 0600);
  ASSERT_EQ(::seteuid(65534), 0);
  const Reply unreadable = Server::the().handle(request);
  ASSERT_EQ(::seteuid(0), 0);

  EXPECT_EQ(closed.outcome.code, 5001u);
  EXPECT_TRUE(
      closed.logged("user nobody cannot search " + folder() + "/closed (mode 0700, owner root)"))
      << closed.whole_log();
  EXPECT_TRUE(
      unreadable.logged("user nobody cannot read " + request.script + " (mode 0600, owner root)"))
      << unreadable.whole_log();
  EXPECT_EQ(Server::the().handle(request).outcome.kind, WSGIX_COMPLETE);
}

TEST_F(Loader, PreloadingTellsTheCauseAndLogsItToTheProcess) {
  Server::the().take_process_log();
  Request request;
  request.script = write("preload.wsgi", "raise ValueError('boom')\n");
  wsgix_failure why = {};

  EXPECT_EQ(Server::the().load(request, why), 1);
  EXPECT_EQ(why.code, 5003u);
  EXPECT_NE(std::string(why.what).find("ValueError: boom"), std::string::npos);
  EXPECT_EQ(Server::the().take_process_log().back(), "3 ValueError: boom");
}

TEST_F(Loader, WaitingRequestsShareTheOutcomeOfOneAttempt) {
  const std::string counter = folder() + "/attempts";
  const auto attempts = [&] {
    std::error_code ignored;
    const auto size = std::filesystem::file_size(counter, ignored);
    return ignored ? 0u : static_cast<unsigned>(size);
  };
  Request request;
  request.script =
      write("slow.wsgi", "import time\nopen('" + counter + "', 'a').write('x')\ntime.sleep(0.3)\n" +
                             hello("b'loaded'"));
  std::atomic<int> good = 0;
  std::vector<std::thread> threads;
  for (int i = 0; i < 8; ++i)
    threads.emplace_back([&] { good += Server::the().handle(request).body == "loaded"; });
  for (std::thread& thread : threads) thread.join();

  EXPECT_EQ(good, 8);
  EXPECT_EQ(attempts(), 1u);
}

}  // namespace
}  // namespace wsgix::python_tests

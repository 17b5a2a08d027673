// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "fake_server.hpp"

namespace wsgix::python_tests {
namespace {

using Lines = std::vector<std::string>;

class Streams : public RuntimeTest {
 protected:
  Lines log_of(const std::string& statements) {
    return run_body(statements + "\nstart_response('200 OK', [])\nreturn []").log;
  }
};

TEST_F(Streams, EachLineIsARecordOfTheRequest) {
  EXPECT_EQ(log_of("print('a', 'b')\nprint('c', file=sys.stderr)\n"
                   "environ['wsgi.errors'].write('d\\ne\\n')"),
            (Lines{"3 a b", "3 c", "3 d", "3 e"}));
}

TEST_F(Streams, PartialLinesWaitForTheirEndOrTheEndOfTheRequest) {
  EXPECT_EQ(log_of("sys.stderr.write('a')\nsys.stderr.write('b\\n')\nsys.stdout.write('c')\n"
                   "environ['wsgi.errors'].write('d')\nenviron['wsgi.errors'].flush()\n"
                   "environ['wsgi.errors'].write('e')"),
            (Lines{"3 ab", "3 d", "3 c", "3 e"}));
}

// Whoever writes the log escapes: twice would show backslashes that nobody wrote.
TEST_F(Streams, PassTextAsItIs) {
  const Lines lines = log_of("print('a\\0b\\x1b[31m\\u20ac')");

  ASSERT_EQ(lines.size(), 1u);
  EXPECT_EQ(lines[0], std::string_view("3 a\0b\x1b[31m\xe2\x82\xac", 13));
}

TEST_F(Streams, SplitLongLinesSoThatTheyCanBeJoined) {
  const Lines lines = log_of("print('x' * 20000)");

  ASSERT_EQ(lines.size(), 6u);
  const std::string mark = lines[0].substr(lines[0].size() - 11);
  EXPECT_TRUE(mark.starts_with("[+")) << mark;
  EXPECT_TRUE(lines[5].starts_with("3 " + mark)) << lines[5];
  std::size_t letters = 0;
  for (const std::string& line : lines)
    letters += std::size_t(std::count(line.begin(), line.end(), 'x'));
  EXPECT_EQ(letters, 20000u);
}

TEST_F(Streams, AreTextStreamsOfTheContract) {
  const auto value_of = [&](const std::string& expression) {
    return run_body(answering(expression)).body;
  };
  EXPECT_EQ(value_of("[sys.stdout.name, sys.stderr.name, environ['wsgi.errors'].name]"),
            "['<stdout>', '<stderr>', '<wsgi.errors>']");
  EXPECT_EQ(value_of("[sys.stderr.encoding, sys.stderr.errors, sys.stderr.line_buffering, "
                     "sys.stderr.write_through, sys.stderr.isatty()]"),
            "['utf-8', 'replace', True, True, False]");
  EXPECT_EQ(value_of("type(sys.stderr.buffer)"), "<class 'mod_wsgi.Log'>");
  EXPECT_EQ(value_of("[sys.stdout.fileno(), sys.stderr.fileno(), "
                     "environ['wsgi.errors'].fileno()]"),
            "[2, 2, 2]");
  EXPECT_EQ(value_of("sys.stderr.buffer.write(bytearray(b'x\\n'))"), "2");
}

TEST_F(Streams, OutsideARequestWriteToTheProcessLog) {
  Server::the().take_process_log();
  Request request;
  request.script = write("loud.wsgi",
                         "import threading\n"
                         "def shout():\n    print('from a thread')\n"
                         "print('loading')\n"
                         "def application(environ, start_response):\n"
                         "    t = threading.Thread(target=shout)\n    t.start()\n    t.join()\n"
                         "    start_response('200 OK', [])\n    return []\n");
  wsgix_failure why = {};
  ASSERT_EQ(Server::the().load(request, why), 0) << why.what;
  const Reply reply = Server::the().handle(request);

  EXPECT_TRUE(reply.log.empty());
  EXPECT_EQ(Server::the().take_process_log(), (Lines{"3 loading", "3 from a thread"}));
}

TEST_F(Streams, ErrorsAreUsableAgainAfterAnApplicationClosedThem) {
  run_body("environ['wsgi.errors'].close()\nstart_response('200 OK', [])\nreturn []");

  EXPECT_EQ(log_of("print('x', file=environ['wsgi.errors'])"), Lines{"3 x"});
}

TEST_F(Streams, RestrictedStreamsRefuseEveryAccess) {
  auto& settings = Server::the().settings();
  settings.restrict_stdin = 1;
  settings.restrict_stdout = 1;
  Request request;
  request.application_group = "restricted";
  const Reply reply = run_body(
      "said = []\n"
      "for action in (lambda: print('x'), lambda: sys.stdin.read()):\n"
      "    try:\n"
      "        action()\n"
      "    except OSError as e:\n"
      "        said.append(str(e))\n" +
          answering("said"),
      request);
  settings.restrict_stdin = 0;
  settings.restrict_stdout = 0;

  EXPECT_EQ(reply.body,
            "['sys.stdout access restricted by mod_wsgi', 'sys.stdin access restricted by "
            "mod_wsgi']");
}

TEST_F(Streams, StdinIsTheRealOneOtherwise) {
  EXPECT_EQ(run_body(answering("type(sys.stdin).__name__")).body, "TextIOWrapper");
}

}  // namespace
}  // namespace wsgix::python_tests

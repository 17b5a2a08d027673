// SPDX-License-Identifier: Apache-2.0
#include "fake_server.hpp"

namespace wsgix::python_tests {
namespace {

class Input : public RuntimeTest {
 protected:
  /// repr() of an expression over `f`, which is wsgi.input.
  std::string value_of(const std::string& expression,
                       std::deque<std::string> body = {"ab\ncd", "e\nf"}) {
    Request request;
    request.body = std::move(body);
    const Reply reply = run_body("f = environ['wsgi.input']\n" + answering(expression), request);
    EXPECT_EQ(reply.outcome.kind, WSGIX_COMPLETE) << reply.whole_log();
    return reply.body;
  }
};

TEST_F(Input, ReadsAllOrSomeBytes) {
  EXPECT_EQ(value_of("f.read()"), "b'ab\\ncde\\nf'");
  EXPECT_EQ(value_of("f.read(None)"), "b'ab\\ncde\\nf'");
  EXPECT_EQ(value_of("f.read(-1)"), "b'ab\\ncde\\nf'");
  EXPECT_EQ(value_of("[f.read(0), f.read(4), f.read(2), f.read(99), f.read(1)]"),
            "[b'', b'ab\\nc', b'de', b'\\nf', b'']");
}

TEST_F(Input, AsksForNoMemoryThatIsNotFilled) {
  EXPECT_EQ(value_of("[f.read(1 << 60), f.read(1 << 60)]"), "[b'ab\\ncde\\nf', b'']");
  EXPECT_EQ(value_of("[f.readline(1 << 60), f.readlines(1 << 60)]"),
            "[b'ab\\n', [b'cde\\n', b'f']]");
}

TEST_F(Input, ReadsLines) {
  EXPECT_EQ(value_of("list(f)"), "[b'ab\\n', b'cde\\n', b'f']");
  EXPECT_EQ(value_of("f.readlines()"), "[b'ab\\n', b'cde\\n', b'f']");
  EXPECT_EQ(value_of("[f.readlines(1), f.readlines(4), f.readlines()]"),
            "[[b'ab\\n'], [b'cde\\n'], [b'f']]");
  EXPECT_EQ(value_of("[f.readline(2), f.readline(2), f.readline(), f.readline(0), f.readline(), "
                     "f.readline()]"),
            "[b'ab', b'\\n', b'cde\\n', b'', b'f', b'']");
  EXPECT_EQ(value_of("[f.readline(), f.read(1), f.readline(None)]"), "[b'ab\\n', b'c', b'de\\n']");
}

TEST_F(Input, IsARawStreamForTheIoModule) {
  EXPECT_EQ(value_of("(lambda b: [f.readinto(b), bytes(b)])(bytearray(4))"), "[4, b'ab\\nc']");
  EXPECT_EQ(value_of("__import__('io').BufferedReader(f).read()"), "b'ab\\ncde\\nf'");
  EXPECT_EQ(
      value_of("__import__('io').TextIOWrapper(__import__('io').BufferedReader(f)).readlines()"),
      "['ab\\n', 'cde\\n', 'f']");
  EXPECT_EQ(value_of("[f.readable(), f.seekable(), f.writable(), f.closed]"),
            "[True, False, False, False]");
}

TEST_F(Input, StaysReadableAfterClose) {
  EXPECT_EQ(value_of("[f.__enter__() is f, f.__exit__(None, None, None), f.close(), f.read(2)]"),
            "[True, None, None, b'ab']");
}

TEST_F(Input, WaitsForBytesThatAreNotThere) {
  Request request;
  request.body = {"a", "b", "c"};
  request.body_waits = true;

  EXPECT_EQ(run_body(answering("environ['wsgi.input'].read()"), request).body, "b'abc'");
  EXPECT_EQ(run_body(answering("environ['wsgi.input'].readline()"), request).body, "b'abc'");
}

TEST_F(Input, PassesBigBodiesWhole) {
  std::deque<std::string> body;
  for (int i = 0; i < 100; ++i)
    body.push_back(std::string(50'000, static_cast<char>('a' + i % 26)));

  EXPECT_EQ(value_of("len(f.read())", body), "5000000");
  EXPECT_EQ(value_of("len(f.read(4999999)) + len(f.read())", body), "5000000");
  EXPECT_EQ(value_of("len(f.readline())", body), "5000000");
}

TEST_F(Input, ReadAfterALineGivesNoMoreThanAskedFor) {
  const std::deque<std::string> body = {"one line\n" + std::string(30'000, 'x')};

  EXPECT_EQ(value_of("[len(f.readline()), len(f.read(10000)), len(f.read(10000))]", body),
            "[9, 10000, 10000]");
}

TEST_F(Input, GivesWhatItHasBeforeItFails) {
  Request request;
  request.body = {"abc"};
  request.body_failure = WSGIX_IO_CLIENT_GONE;
  const Reply reply = run_body(
      "f = environ['wsgi.input']\n"
      "seen = [f.read()]\n"
      "for _ in range(2):\n"
      "    try:\n"
      "        f.read()\n"
      "    except OSError as e:\n"
      "        seen.append(str(e))\n" +
          answering("seen"),
      request);

  EXPECT_EQ(reply.body,
            "[b'abc', 'mod_wsgi request data read error: the client closed the connection', "
            "'mod_wsgi request data read error: the input is already in error state']");
}

TEST_F(Input, AnUncaughtFailureGetsTheStatusThatHttpHasForIt) {
  const std::pair<int, int> cases[] = {{WSGIX_IO_TIMED_OUT, 408},
                                       {WSGIX_IO_TOO_LARGE, 413},
                                       {WSGIX_IO_MALFORMED, 400},
                                       {WSGIX_IO_CLIENT_GONE, 400},
                                       {WSGIX_IO_FAILED, 500}};
  for (const auto& [failure, status] : cases) {
    Request request;
    request.body_failure = failure;
    const Reply reply = run_body("environ['wsgi.input'].read()", request);

    EXPECT_EQ(reply.outcome.kind, WSGIX_FAILED);
    EXPECT_EQ(reply.outcome.status, status);
    EXPECT_EQ(reply.outcome.code, 6006u);
  }
}

TEST_F(Input, APartOfABodyIsNotAnsweredAsTheWhole) {
  for (const std::string read : {"f.read()", "f.read(10)", "f.readline()", "list(f)[0]"}) {
    Request request;
    request.body = {"abc"};
    request.body_failure = WSGIX_IO_TIMED_OUT;
    const Reply reply =
        run_body("f = environ['wsgi.input']\nseen = " + read + "\n" + answering("seen"), request);

    EXPECT_EQ(reply.outcome.kind, WSGIX_FAILED) << read;
    EXPECT_EQ(reply.outcome.status, 408) << read;
    EXPECT_EQ(reply.body, "") << read;
  }
}

TEST_F(Input, RefusesWrongArguments) {
  EXPECT_TRUE(run_body("environ['wsgi.input'].read('x')").logged("TypeError"));
  EXPECT_TRUE(run_body("type(environ['wsgi.input'])()").logged("cannot create"));
}

TEST_F(Input, CannotBeUsedAfterTheRequest) {
  const std::string script =
      write("kept.wsgi",
            "kept = []\n"
            "def application(environ, start_response):\n"
            "    said = ''\n"
            "    if kept:\n"
            "        for call in (kept[0].read, lambda: kept[1]('200 OK', []), lambda: "
            "kept[2].write('x')):\n"
            "            try:\n"
            "                call()\n"
            "            except RuntimeError as e:\n"
            "                said += str(e) + ';'\n"
            "    kept[:] = [environ['wsgi.input'], start_response, environ['wsgi.errors']]\n"
            "    start_response('200 OK', [])\n"
            "    return [said.encode()]\n");
  Request request;
  request.script = script;
  Server::the().handle(request);

  EXPECT_EQ(Server::the().handle(request).body,
            "wsgi.input.read() was called after the request ended;"
            "start_response() was called after the request ended;"
            "wsgi.errors.write() was called after the request ended;");
}

TEST_F(Input, MayBeReadByAnotherThreadOfTheApplication) {
  Request request;
  request.body = {"abc"};
  request.body_waits = true;
  const Reply reply = run_body(
      "import concurrent.futures\n"
      "with concurrent.futures.ThreadPoolExecutor(1) as pool:\n"
      "    data = pool.submit(environ['wsgi.input'].read).result()\n" +
          answering("data"),
      request);

  EXPECT_EQ(reply.body, "b'abc'");
}

}  // namespace
}  // namespace wsgix::python_tests

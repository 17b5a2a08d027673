// SPDX-License-Identifier: Apache-2.0
#include "fake_server.hpp"

namespace wsgix::python_tests {
namespace {

using Events = std::vector<std::string>;

class StartResponse : public RuntimeTest {};
class Response : public RuntimeTest {};

TEST_F(StartResponse, PassesStatusReasonAndHeadersAsGiven) {
  const Reply reply = run_body(
      "start_response('404 Nicht da', [('A', '1'), ('Set-Cookie', 'a'), ('Set-Cookie', 'b'), "
      "('B', ' \\xfc ')])\nreturn []");

  EXPECT_EQ(reply.outcome.kind, WSGIX_COMPLETE);
  EXPECT_EQ(reply.status, 404);
  EXPECT_EQ(reply.reason, "Nicht da");
  EXPECT_EQ(reply.headers,
            (Headers{{"A", "1"}, {"Set-Cookie", "a"}, {"Set-Cookie", "b"}, {"B", " \xfc "}}));
  EXPECT_EQ(reply.events, Events{"head"});
}

TEST_F(StartResponse, RefusesWithTheContractsExceptions) {
  const std::pair<const char*, const char*> cases[] = {
      {"'200 OK', ()", "TypeError: start_response() argument 2 must be list, not tuple"},
      {"'200 OK', [], 1",
       "RuntimeError: start_response() argument 'exc_info' must be a 3-tuple or None"},
      {"200, []", "TypeError: must be str, not int"},
      {"b'200 OK', []", "TypeError: must be str, not bytes"},
      {"'200 \\u20ac', []", "UnicodeEncodeError: 'latin-1' codec can't encode"},
      {"'2 OK', []", "ValueError: status code must be a 3 digit integer: b'2 OK'"},
      {"'200OK', []", "ValueError: no space following status code: b'200OK'"},
      {"'200 O\\nK', []", "ValueError: control character in status reason phrase: b'200 O\\nK'"},
      {"'200 OK', [['A', 'b']]", "TypeError: each header must be a 2-tuple, not list"},
      {"'200 OK', [('A',)]", "ValueError: each header must be a 2-tuple, got length 1"},
      {"'200 OK', [('', 'b')]", "ValueError: header name is empty"},
      {"'200 OK', [('A B', 'b')]", "ValueError: space character in header name: b'A B'"},
      {"'200 OK', [('A\\n', 'b')]", "ValueError: control character in header name: b'A\\n'"},
      {"'200 OK', [('A:', 'b')]",
       "ValueError: separator or non-ASCII character in header name: b'A:'"},
      {"'200 OK', [('A', 'b\\r\\nC: d')]",
       "ValueError: carriage return/line feed character in header value: b'b\\r\\nC: d'"},
      {"'200 OK', [('A', 'b\\0')]", "ValueError: control character in header value: b'b\\x00'"},
      {"'200 OK', [(1, 'b')]", "TypeError: must be str, not int"},
      {"'200 OK', [('A', None)]", "TypeError: must be str, not NoneType"},
      {"'200 OK', [('A', '\\udc80')]", "UnicodeEncodeError: 'latin-1' codec can't encode"},
      {"status='200 OK', headers=[]", "TypeError: start_response() takes no keyword arguments"},
  };
  for (const auto& [arguments, text] : cases) {
    const Reply reply = run_body("start_response(" + std::string(arguments) + ")\nreturn [b'x']");

    EXPECT_EQ(reply.outcome.kind, WSGIX_FAILED) << arguments;
    EXPECT_EQ(reply.outcome.status, 500) << arguments;
    EXPECT_TRUE(reply.logged(text)) << arguments << "\n" << reply.whole_log();
    EXPECT_EQ(reply.events, Events{}) << arguments;
  }
}

TEST_F(StartResponse, MayBeRepeatedUntilSomethingWasSent) {
  const Reply reply = run_body(
      "start_response('200 OK', [('A', '1')])\n"
      "start_response('500 Oops', [('B', '2')])\n"
      "return [b'x']");

  EXPECT_EQ(reply.status, 500);
  EXPECT_EQ(reply.headers, (Headers{{"B", "2"}}));
}

TEST_F(StartResponse, RaisesAgainWhatComesTooLate) {
  const Reply with = run_body(
      "write = start_response('200 OK', [])\n"
      "write(b'')\n"
      "try:\n"
      "    1 / 0\n"
      "except ZeroDivisionError:\n"
      "    start_response('500 Oops', [], sys.exc_info())");
  const Reply without = run_body(
      "start_response('200 OK', [])(b'x')\n"
      "start_response('500 Oops', [])");

  EXPECT_EQ(with.outcome.kind, WSGIX_CUT);
  EXPECT_TRUE(with.logged("ZeroDivisionError")) << with.whole_log();
  EXPECT_EQ(with.status, 200);
  EXPECT_EQ(without.outcome.kind, WSGIX_CUT);
  EXPECT_TRUE(without.logged("start_response() called more than once without exc_info"));
}

TEST_F(Response, NeedsStartResponse) {
  for (const char* body : {"return [b'x']", "return []", "yield b'x'"}) {
    const Reply reply = run_body(body);
    EXPECT_EQ(reply.outcome.kind, WSGIX_FAILED);
    EXPECT_TRUE(reply.logged(
        "RuntimeError: start_response() must be called before response content is produced"))
        << reply.whole_log();
  }
}

TEST_F(Response, AListGoesOutInOnePiece) {
  const Reply reply = run_body("start_response('200 OK', [])\nreturn [b'a', b'', b'bc']");

  EXPECT_EQ(reply.events, (Events{"head", "body 1", "body 2"}));
  EXPECT_EQ(reply.body, "abc");
}

TEST_F(Response, EachYieldedBlockIsFlushed) {
  const Reply reply =
      run_body("start_response('200 OK', [])\nyield b''\nyield b'a'\nyield b''\nyield b'b'");

  EXPECT_EQ(reply.events, (Events{"head", "body 1", "flush", "body 1", "flush"}));
}

TEST_F(Response, ABlockThatCompletesTheLengthIsNotFlushedAlone) {
  const Reply reply =
      run_body("start_response('200 OK', [('Content-Length', '2')])\nyield b'a'\nyield b'b'");

  EXPECT_EQ(reply.events, (Events{"head", "body 1", "flush", "body 1"}));
}

TEST_F(Response, BigListsAreFlushedWhenTheQueueIsFull) {
  const Reply reply =
      run_body("start_response('200 OK', [])\nreturn [b'x' * 50000, b'y' * 50000, b'z']");

  EXPECT_EQ(reply.events, (Events{"head", "body 50000", "flush", "body 50000", "body 1"}));
  EXPECT_EQ(reply.body.size(), 100001u);
}

TEST_F(Response, WriteSendsAtOnce) {
  const Reply reply =
      run_body("write = start_response('200 OK', [])\nwrite(b'a')\nwrite(b'b')\nreturn [b'c']");

  EXPECT_EQ(reply.events, (Events{"head", "body 1", "flush", "body 1", "flush", "body 1"}));
  EXPECT_TRUE(run_body("start_response('200 OK', [])('x')")
                  .logged("TypeError: write() argument must be bytes, not str"));
}

TEST_F(Response, OnlyBytesMayBeYielded) {
  const Reply text = run_body("start_response('200 OK', [])\nreturn ['x']");
  const Reply none = run_body("start_response('200 OK', [])");

  EXPECT_EQ(text.outcome.kind, WSGIX_FAILED);
  EXPECT_TRUE(text.logged("TypeError: response iterable must yield bytes, not str"));
  EXPECT_EQ(none.outcome.kind, WSGIX_FAILED);
  EXPECT_TRUE(none.logged("TypeError: 'NoneType' object is not iterable"));
}

TEST_F(Response, ContentLengthIsEnforcedBothWays) {
  const auto with_length = [&](const std::string& length, const std::string& more = "") {
    return run_body("start_response('200 OK', [('content-length', '" + length + "')" + more +
                    "])\nreturn [b'abc', b'def']");
  };
  const Reply exact = with_length("6");
  const Reply excess = with_length("4");
  const Reply missing = with_length("9");
  const Reply invalid = with_length("six");
  const Reply contradicting = with_length("6", ", ('Content-Length', '7')");
  const Reply repeated = with_length("6", ", ('Content-Length', '6')");

  EXPECT_EQ(exact.outcome.kind, WSGIX_COMPLETE);
  EXPECT_EQ(excess.outcome.kind, WSGIX_COMPLETE);
  EXPECT_EQ(excess.body, "abcd");
  EXPECT_TRUE(excess.logged("4 WX6003"));
  EXPECT_EQ(missing.outcome.kind, WSGIX_CUT);
  EXPECT_EQ(missing.outcome.code, 6005u);
  EXPECT_TRUE(missing.logged("4 WX6005")) << missing.whole_log();
  EXPECT_EQ(invalid.outcome.kind, WSGIX_FAILED);
  EXPECT_TRUE(invalid.logged("ValueError: Content-Length"));
  EXPECT_EQ(contradicting.outcome.kind, WSGIX_FAILED);
  EXPECT_EQ(repeated.outcome.kind, WSGIX_COMPLETE);
  EXPECT_EQ(repeated.headers.size(), 1u);
}

TEST_F(Response, AnswersWithoutABodyMayAnnounceALength) {
  Request head;
  head.environ = {{"REQUEST_METHOD", "HEAD"}};
  const std::string body = "start_response('200 OK', [('Content-Length', '9')])\nreturn []";

  EXPECT_EQ(run_body(body, head).outcome.kind, WSGIX_COMPLETE);
  EXPECT_EQ(run_body("start_response('304 Not Modified', [('Content-Length', '9')])\nreturn []")
                .outcome.kind,
            WSGIX_COMPLETE);
  EXPECT_EQ(run_body(body).outcome.kind, WSGIX_CUT);
}

TEST_F(Response, HopByHopHeadersAreDroppedWithAWarning) {
  const Reply reply = run_body(
      "start_response('200 OK', [('Transfer-Encoding', 'chunked'), ('Connection', 'close'), "
      "('A', 'b')])\nreturn [b'x']");

  EXPECT_EQ(reply.headers, (Headers{{"A", "b"}}));
  EXPECT_TRUE(reply.logged("4 WX6009: response header 'Transfer-Encoding: chunked'"));
}

TEST_F(Response, AnExceptionBeforeTheHeadIsA500) {
  const Reply reply = run_body("try:\n    1 / 0\nexcept ZeroDivisionError:\n    {}['key']");

  EXPECT_EQ(reply.outcome.kind, WSGIX_FAILED);
  EXPECT_EQ(reply.outcome.status, 500);
  EXPECT_EQ(reply.outcome.code, 6001u);
  ASSERT_FALSE(reply.log.empty());
  EXPECT_TRUE(reply.log[0].starts_with("3 WX6001: script " + folder())) << reply.log[0];
  EXPECT_NE(reply.log[0].find("raised KeyError: 'key' in the main interpreter of daemon process "
                              "'shop'"),
            std::string::npos);
  EXPECT_TRUE(reply.logged("3 ZeroDivisionError: division by zero"));
  EXPECT_TRUE(reply.logged("During handling of the above exception"));
  EXPECT_EQ(reply.log.back(), "3 KeyError: 'key'");
}

TEST_F(Response, AnExceptionAfterTheHeadCutsTheResponse) {
  const Reply reply = run_body("start_response('200 OK', [])\nyield b'x'\n1 / 0");

  EXPECT_EQ(reply.outcome.kind, WSGIX_CUT);
  EXPECT_EQ(reply.outcome.code, 6001u);
  EXPECT_TRUE(reply.logged("after the response had begun"));
}

TEST_F(Response, SystemExitAndRequestTimeoutEndTheRequestOnly) {
  const Reply exits = run_body("sys.exit(3)");
  const Reply timed_out = run_body("import mod_wsgi\nraise mod_wsgi.RequestTimeout()");

  EXPECT_EQ(exits.outcome.code, 6002u);
  EXPECT_TRUE(exits.logged("3 WX6002"));
  EXPECT_EQ(timed_out.outcome.status, 504);
  EXPECT_FALSE(timed_out.logged("3 ")) << timed_out.whole_log();
}

TEST_F(Response, CloseIsAlwaysCalled) {
  const char* source =
      "import sys\n"
      "class Body:\n"
      "    def __iter__(self):\n"
      "        yield b'x'\n"
      "        %s\n"
      "    def close(self):\n"
      "        sys.stderr.write('closed\\n')\n"
      "def application(environ, start_response):\n"
      "    start_response('200 OK', [])\n"
      "    return Body()\n";
  const auto with = [&](const std::string& statement) {
    std::string text = source;
    return text.replace(text.find("%s"), 2, statement);
  };
  Request gone;
  gone.fail_send_at = 2;

  EXPECT_TRUE(run(with("pass")).logged("3 closed"));
  EXPECT_TRUE(run(with("raise ValueError")).logged("3 closed"));
  const Reply lost = run(with("pass"), gone);
  EXPECT_EQ(lost.log, std::vector<std::string>{"3 closed"});
  EXPECT_EQ(lost.outcome.kind, WSGIX_CUT);
  EXPECT_EQ(lost.outcome.code, 6008u);
}

TEST_F(Response, AnExceptionInCloseIsOnlyLogged) {
  const Reply reply =
      run("class Body(list):\n"
          "    def close(self):\n"
          "        raise ValueError('late')\n"
          "def application(environ, start_response):\n"
          "    start_response('200 OK', [])\n"
          "    return Body([b'x'])\n");

  EXPECT_EQ(reply.outcome.kind, WSGIX_COMPLETE);
  EXPECT_EQ(reply.body, "x");
  EXPECT_TRUE(reply.logged("ValueError: late"));
}

TEST_F(Response, WriteRaisesOSErrorWhenTheClientIsGone) {
  Request gone;
  gone.fail_send_at = 2;
  const Reply reply = run_body("start_response('200 OK', [])(b'x')", gone);

  EXPECT_EQ(reply.outcome.kind, WSGIX_CUT);
  EXPECT_EQ(reply.outcome.code, 6008u);
  EXPECT_TRUE(reply.log.empty()) << reply.whole_log();
}

TEST_F(Response, KnowsWhetherTheClientHasGone) {
  const std::string question = answering("environ['wsgix.client_disconnected']()");
  Request gone;
  gone.client_gone = true;

  EXPECT_EQ(run_body(question).body, "False");
  EXPECT_EQ(run_body(question, gone).body, "True");
}

TEST_F(Response, RefusesItsCallablesAfterTheRequest) {
  run_body(
      "import builtins\n"
      "builtins.kept = [environ[k] for k in ('wsgix.client_disconnected',"
      " 'wsgix.early_hints')]\n" +
      answering("''"));

  const Reply reply = run_body(
      "import builtins\n"
      "said = []\n"
      "for call, args in zip(builtins.kept, [(), ([],)]):\n"
      "    try:\n"
      "        call(*args)\n"
      "    except RuntimeError as refused:\n"
      "        said.append(str(refused))\n" +
      answering("said"));

  EXPECT_EQ(reply.body,
            "['client_disconnected() was called after the request ended', "
            "'early_hints() was called after the request ended']");
}

TEST_F(Response, SendsHintsBeforeTheHeadWithoutWhatConcernsTheConnection) {
  const Reply reply = run_body(
      "environ['wsgix.early_hints']([('Link', '</a.css>'), ('Connection', 'close'),"
      " ('Content-Length', '5'), ('Link', '</b.js>')])\n"
      "environ['wsgix.early_hints']([])\n" +
      answering("''"));

  ASSERT_FALSE(reply.events.empty());
  EXPECT_EQ(reply.events[0], "hints Link=</a.css> Link=</b.js>");
  EXPECT_EQ(reply.events[1], "head");
}

TEST_F(Response, RefusesHintsThatAreNoHeadersOrComeTooLate) {
  const Reply reply = run_body(
      "said = []\n"
      "def attempt(headers):\n"
      "    try:\n"
      "        environ['wsgix.early_hints'](headers)\n"
      "    except Exception as refused:\n"
      "        said.append(type(refused).__name__ + ': ' + str(refused))\n"
      "for bad in ((), [('a b', 'c')], [('a', 'b\\nc')], [('a',)]):\n"
      "    attempt(bad)\n"
      "start_response('200 OK', [])(b'begun')\n"
      "attempt([('Link', 'x')])\n"
      "return [repr(said).encode()]");

  EXPECT_EQ(reply.body,
            "begun['TypeError: early_hints() argument must be list, not tuple', "
            "\"ValueError: space character in header name: b'a b'\", "
            "\"ValueError: carriage return/line feed character in header value: b'b\\\\nc'\", "
            "'ValueError: each header must be a 2-tuple, got length 1', "
            "'RuntimeError: early_hints() was called after the response had begun']");
}

}  // namespace
}  // namespace wsgix::python_tests

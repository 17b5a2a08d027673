// SPDX-License-Identifier: Apache-2.0
#include "fake_server.hpp"

namespace wsgix::python_tests {
namespace {

class Environ : public RuntimeTest {
 protected:
  std::string value_of(const std::string& expression, Request request = {}) {
    const Reply reply = run_body(answering(expression), std::move(request));
    EXPECT_EQ(reply.outcome.kind, WSGIX_COMPLETE) << reply.whole_log();
    return reply.body;
  }
};

TEST_F(Environ, HoldsTheWsgiKeysWithTheirTypes) {
  EXPECT_EQ(value_of("type(environ) is dict"), "True");
  EXPECT_EQ(value_of("environ['wsgi.version']"), "(1, 0)");
  EXPECT_EQ(value_of("environ['wsgi.url_scheme']"), "http");
  EXPECT_EQ(value_of("environ['wsgi.multithread']"), "True");
  EXPECT_EQ(value_of("environ['wsgi.multiprocess']"), "True");
  EXPECT_EQ(value_of("environ['wsgi.run_once']"), "False");
  EXPECT_EQ(value_of("environ['wsgi.input_terminated']"), "True");
  EXPECT_EQ(value_of("environ['wsgi.file_wrapper'].__name__"), "FileWrapper");
  EXPECT_EQ(value_of("type(environ['wsgi.input'])"), "<class 'mod_wsgi.Input'>");
  EXPECT_EQ(value_of("environ['wsgi.errors'].name"), "<wsgi.errors>");
  Request tls;
  tls.https = true;
  EXPECT_EQ(value_of("environ['wsgi.url_scheme']", tls), "https");
}

TEST_F(Environ, HoldsTheModWsgiKeys) {
  EXPECT_EQ(value_of("environ['mod_wsgi.version'] == (6, 0, 5)"), "True");
  EXPECT_EQ(value_of("environ['apache.version']"), "(2, 4, 57)");
  EXPECT_EQ(value_of("environ['mod_wsgi.process_group']"), "shop");
  EXPECT_EQ(value_of("repr(environ['mod_wsgi.application_group'])"), "''");
  EXPECT_EQ(value_of("environ['mod_wsgi.callable_object']"), "application");
  EXPECT_EQ(value_of("environ['mod_wsgi.request_start']"), "1000.5");
  EXPECT_EQ(value_of("environ['mod_wsgi.queue_start']"), "0.0");
  EXPECT_EQ(value_of("environ['mod_wsgi.daemon_start']"), "0.0");
  EXPECT_EQ(value_of("environ['mod_wsgi.application_start'] > 1e9"), "True");
  EXPECT_EQ(value_of("type(environ['mod_wsgi.thread_id']) is int"), "True");
}

TEST_F(Environ, DecodesLatin1AndFileNames) {
  Request request;
  request.environ = {{"PATH_INFO", "/\xc3\xbc"}, {"SCRIPT_FILENAME", "/srv/\xc3\xbc\xff"}};

  EXPECT_EQ(value_of("ascii(environ['PATH_INFO'])", request), "'/\\xc3\\xbc'");
  EXPECT_EQ(value_of("ascii(environ['SCRIPT_FILENAME'])", request), "'/srv/\\xfc\\udcff'");
}

TEST_F(Environ, IsNotChangedByWhatAnotherRequestSent) {
  Request first;
  first.environ = {{"HTTP_A", "1"}, {"HTTP_B", "2"}};
  Request second;
  second.environ = {{"HTTP_C", "3"}, {"HTTP_A", "4"}};
  const std::string keys = "sorted((k, v) for k, v in environ.items() if k.startswith('HTTP_'))";

  EXPECT_EQ(value_of(keys, first), "[('HTTP_A', '1'), ('HTTP_B', '2')]");
  EXPECT_EQ(value_of(keys, second), "[('HTTP_A', '4'), ('HTTP_C', '3')]");
}

TEST_F(Environ, SurvivesMoreHeaderNamesThanTheCacheHolds) {
  for (int request_number = 0; request_number < 40; ++request_number) {
    Request request;
    for (int i = 0; i < 50; ++i)
      request.environ.emplace_back("HTTP_N" + std::to_string(request_number * 50 + i), "x");
    EXPECT_EQ(value_of("sum(k.startswith('HTTP_N') for k in environ)", request), "50");
  }
}

TEST_F(Environ, CannotHaveItsObjectsReplacedBySetEnv) {
  Request request;
  request.environ = {{"wsgi.input", "text"}, {"wsgi.version", "text"}};

  EXPECT_EQ(value_of("type(environ['wsgi.input']).__name__", request), "Input");
  EXPECT_EQ(value_of("environ['wsgi.version']", request), "(1, 0)");
}

TEST_F(Environ, ModulesSayWhereTheyRun) {
  EXPECT_EQ(value_of("__import__('mod_wsgi').version"), "(6, 0, 5)");
  EXPECT_EQ(value_of("type(__import__('mod_wsgi').wsgix_version) is str"), "True");
  EXPECT_EQ(value_of("__import__('mod_wsgi').maximum_processes"), "2");
  EXPECT_EQ(value_of("__import__('mod_wsgi').threads_per_process"), "5");
  EXPECT_EQ(value_of("__import__('mod_wsgi').process_group"), "shop");
  EXPECT_EQ(value_of("__import__('mod_wsgi').RequestTimeout.__mro__[1].__name__"), "BaseException");
  EXPECT_EQ(value_of("environ['wsgi.file_wrapper'] is __import__('mod_wsgi').FileWrapper"), "True");
  EXPECT_EQ(value_of("__import__('apache').description"), "Apache/2.4.57 (Debian)");
  EXPECT_EQ(value_of("__import__('apache').maximum_processes"), "16");
  EXPECT_EQ(value_of("sys.argv"), "['mod_wsgi']");
  EXPECT_EQ(value_of("sys.getfilesystemencoding()"), "utf-8");
}

TEST_F(Environ, SatisfiesWsgirefValidate) {
  Request request;
  request.body = {"a=1\n", "b=2"};
  request.environ = {{"REQUEST_METHOD", "POST"}, {"CONTENT_LENGTH", "7"}};
  const Reply reply =
      run("from wsgiref.validate import validator\n"
          "def app(environ, start_response):\n"
          "    lines = [environ['wsgi.input'].readline(), environ['wsgi.input'].read(100)]\n"
          "    environ['wsgi.errors'].write('seen\\n')\n"
          "    start_response('200 OK', [('Content-Type', 'text/plain')])\n"
          "    return [repr(lines).encode()]\n"
          "application = validator(app)\n",
          request);

  EXPECT_EQ(reply.outcome.kind, WSGIX_COMPLETE) << reply.whole_log();
  EXPECT_EQ(reply.body, "[b'a=1\\n', b'b=2']");
  EXPECT_EQ(reply.log, std::vector<std::string>{"3 seen"});
}

}  // namespace
}  // namespace wsgix::python_tests

// SPDX-License-Identifier: Apache-2.0
#include "fake_server.hpp"

namespace wsgix::python_tests {
namespace {

/// The application forks; what its copy does, and what the parent sees of its end.
class Forks : public RuntimeTest {
 protected:
  std::string status_of_copy(const std::string& statements, Request request = {}) {
    return run_body(
               "import os\n"
               "pid = os.fork()\n"
               "if pid == 0:\n    " +
                   statements + "\n" +
                   answering("os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])"),
               std::move(request))
        .body;
  }
};

TEST_F(Forks, ACopyThatReturnsEndsWithZero) {
  EXPECT_EQ(status_of_copy("start_response('200 OK', []); return [b'']"), "0");
}

TEST_F(Forks, ACopyThatExitsHasTheStatusOfAScript) {
  EXPECT_EQ(status_of_copy("sys.exit(7)"), "7");
  EXPECT_EQ(status_of_copy("sys.exit()"), "0");
  EXPECT_EQ(status_of_copy("sys.exit('because')"), "1");
  EXPECT_EQ(status_of_copy("sys.exit(-1)"), "255");
}

TEST_F(Forks, ACopyThatRaisesEndsWithOne) {
  EXPECT_EQ(status_of_copy("raise ValueError('x')"), "1");
}

TEST_F(Forks, ACopyCannotAnswer) {
  EXPECT_EQ(status_of_copy("start_response('200 OK', [])(b'x'); os._exit(9)"), "0");
}

TEST_F(Forks, ACopyCannotTakeTheBodyButMayAskForNone) {
  Request with_body;
  with_body.body = {"abc"};
  EXPECT_EQ(status_of_copy("environ['wsgi.input'].read(); os._exit(9)", with_body), "0");
  EXPECT_EQ(status_of_copy("environ['wsgi.input'].read(); os._exit(9)"), "9");
}

TEST_F(Forks, ACopyOfACopyEndsToo) {
  EXPECT_EQ(status_of_copy("child = os.fork(); "
                           "status = os.waitstatus_to_exitcode(os.wait()[1]) if child else None; "
                           "sys.exit(status + 1 if child else 4)"),
            "5");
}

TEST_F(Forks, TheOriginalAnswersOnceAndAllOfIt) {
  const Reply reply = run_body(
      "import os\n"
      "def pieces():\n"
      "    pid = os.fork()\n"
      "    yield b'a'\n"
      "    os.waitpid(pid, 0)\n"
      "    yield b'b'\n"
      "start_response('200 OK', [])\n"
      "return pieces()");
  EXPECT_EQ(reply.body, "ab");
  EXPECT_EQ(reply.outcome.kind, WSGIX_COMPLETE);
}

}  // namespace
}  // namespace wsgix::python_tests

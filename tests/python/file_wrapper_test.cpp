// SPDX-License-Identifier: Apache-2.0
#include "fake_server.hpp"

namespace wsgix::python_tests {
namespace {

using Events = std::vector<std::string>;

class FileWrapper : public RuntimeTest {
 protected:
  /// `f` is the open file with ten digits.
  Reply send(const std::string& headers, const std::string& before, const std::string& result) {
    const std::string path = write("data.txt", "0123456789");
    return run_body("f = open('" + path + "', 'rb')\n" + before + "\nstart_response('200 OK', [" +
                    headers + "])\nreturn " + result);
  }
};

TEST_F(FileWrapper, HandsRegularFilesOver) {
  const Reply reply = send("", "pass", "environ['wsgi.file_wrapper'](f)");

  EXPECT_EQ(reply.events, (Events{"head", "file 10"}));
  EXPECT_EQ(reply.header("Content-Length"), "10");
  EXPECT_EQ(reply.body, "0123456789");
  EXPECT_EQ(reply.outcome.kind, WSGIX_COMPLETE);
}

TEST_F(FileWrapper, StartsWhereTheFileStands) {
  const Reply reply = send("", "f.seek(7)", "environ['wsgi.file_wrapper'](f, 4096)");

  EXPECT_EQ(reply.header("Content-Length"), "3");
  EXPECT_EQ(reply.body, "789");
}

TEST_F(FileWrapper, ObeysContentLengthAndTheSizeOfTheFile) {
  const Reply part =
      send("('Content-Length', '4')", "f.seek(2)", "environ['wsgi.file_wrapper'](f)");
  const Reply too_long =
      send("('Content-Length', '40')", "pass", "environ['wsgi.file_wrapper'](f)");

  EXPECT_EQ(part.body, "2345");
  EXPECT_EQ(part.outcome.kind, WSGIX_COMPLETE);
  EXPECT_EQ(too_long.body, "0123456789");
  EXPECT_EQ(too_long.outcome.kind, WSGIX_CUT);
  EXPECT_EQ(too_long.outcome.code, 6005u);
}

TEST_F(FileWrapper, IteratesOverEverythingElse) {
  const Reply memory =
      send("", "import io", "environ['wsgi.file_wrapper'](io.BytesIO(b'abcdef'), 4)");
  const Reply compressed =
      send("", "import gzip, io\nopen(f.name + '.gz', 'wb').write(gzip.compress(b'plain'))",
           "environ['wsgi.file_wrapper'](gzip.open(f.name + '.gz'))");
  const Reply after_write = send("",
                                 "write = start_response('200 OK', [])\nwrite(b'>')\n"
                                 "start_response = lambda *a: None",
                                 "environ['wsgi.file_wrapper'](f)");

  EXPECT_EQ(memory.events, (Events{"head", "body 4", "flush", "body 2", "flush"}));
  EXPECT_EQ(compressed.body, "plain");
  EXPECT_EQ(after_write.body, ">0123456789");
}

TEST_F(FileWrapper, ClosesItsFileOnce) {
  const Reply reply = run_body(
      "class File:\n"
      "    def close(self):\n"
      "        print('closed')\n"
      "wrapper = environ['wsgi.file_wrapper'](File())\n"
      "wrapper.close()\n"
      "wrapper.close()\n"
      "try:\n"
      "    next(wrapper)\n"
      "except ValueError as e:\n"
      "    print(e)\n" +
      answering("[wrapper.blksize, issubclass(type(wrapper), object)]"));

  EXPECT_EQ(reply.body, "[8192, True]") << reply.whole_log();
  EXPECT_EQ(reply.log[0], "3 closed");
  EXPECT_EQ(reply.log[1], "3 I/O operation on closed file");
}

TEST_F(FileWrapper, ChecksItsArgumentsAndWhatItReads) {
  EXPECT_TRUE(run_body("environ['wsgi.file_wrapper'](None, -1)").logged("ValueError"));
  EXPECT_TRUE(run_body("import io\nnext(environ['wsgi.file_wrapper'](io.StringIO('x')))")
                  .logged("TypeError"));
}

TEST_F(FileWrapper, MayBeSubclassed) {
  const Reply reply = send("",
                           "class Mine(environ['wsgi.file_wrapper']):\n"
                           "    def __init__(self, other):\n"
                           "        super().__init__(other)\n"
                           "        self.extra = 1",
                           "Mine(f)");

  EXPECT_EQ(reply.body, "0123456789") << reply.whole_log();
}

}  // namespace
}  // namespace wsgix::python_tests

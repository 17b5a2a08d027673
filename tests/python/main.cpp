// SPDX-License-Identifier: Apache-2.0
// runtime_tests LIBPYTHON RUNTIME_FOLDER [PYTHON_HOME]: the runtime library under one CPython.
#include <gtest/gtest.h>

#include <cstdio>

#include "fake_server.hpp"
#include "wsgix/base/error.hpp"
#include "wsgix/runtime/library.hpp"

int main(int count, char** arguments) {
  testing::InitGoogleTest(&count, arguments);
  if (count < 3) {
    std::fprintf(stderr, "usage: runtime_tests LIBPYTHON RUNTIME_FOLDER [PYTHON_HOME]\n");
    return 2;
  }
  wsgix::runtime::PythonChoice python;
  python.libpython = arguments[1];
  const auto runtime = wsgix::runtime::open(python, arguments[2]);
  if (!runtime) {
    std::fprintf(stderr, "%s\n", to_log_line(runtime.error()).c_str());
    return 1;
  }
  auto& server = wsgix::python_tests::Server::the();
  if (count > 3) server.settings().python_home = arguments[3];
  server.start(**runtime);
  std::printf("CPython %s\n", (*runtime)->python_version());
  const int result = RUN_ALL_TESTS();
  server.stop();
  return result;
}

// SPDX-License-Identifier: Apache-2.0
// runtime_tests LIBPYTHON RUNTIME_FOLDER [PYTHON_HOME]: the runtime library under one CPython.
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <string>
#include <thread>
#include <vector>

#include "fake_server.hpp"
#include "wsgix/base/error.hpp"
#include "wsgix/runtime/library.hpp"

namespace {

/// stop() can be seen only once, after everything else: exit functions of every interpreter run,
/// and their output reaches the log.
bool stops_in_order(wsgix::python_tests::Server& server) {
  // Other Pythons run the same test at the same time.
  const std::string name = "wsgix-exit-" + std::to_string(::getpid()) + ".wsgi";
  const std::string script = (std::filesystem::temp_directory_path() / name).string();
  std::ofstream(script) << "import atexit, mod_wsgi, threading, time\n"
                           "def leave():\n"
                           "    print('left', mod_wsgi.application_group or 'main')\n"
                           "atexit.register(leave)\n"
                           "threading.Thread(target=time.sleep, args=(0.1,)).start()\n"
                           "def linger():\n"
                           "    time.sleep(1.5)\n"
                           "threading.Thread(target=linger, name='slow', daemon=False).start()\n"
                           "application = leave\n";
  wsgix_failure why = {};
  bool loaded = server.load({script}, why) == 0;
  std::thread([&] { loaded &= server.load({script, "last"}, why) == 0; }).join();
  server.take_process_log();
  server.stop();
  std::filesystem::remove(script);
  const std::vector<std::string> log = server.take_process_log();
  // The main interpreter's thread ends while the other one is joined.
  const std::string warning =
      "4 WX5014: sub interpreter 'last' of daemon process 'shop': threads that are no daemon "
      "threads "
      "hold up the exit: 'slow' is in " +
      script + ", line 7, in linger; ";
  if (loaded && log.size() == 3 && log[0].starts_with(warning) && log[1] == "3 left last" &&
      log[2] == "3 left main")
    return true;
  std::fprintf(stderr, "stop() logged:\n");
  for (const std::string& line : log) std::fprintf(stderr, "  %s\n", line.c_str());
  return false;
}

}  // namespace

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
  return stops_in_order(server) ? result : 1;
}

// SPDX-License-Identifier: Apache-2.0
// tests/python/fake_server.hpp: a process that serves requests from memory, for the runtime.
#pragma once

#include <gtest/gtest.h>

#include <atomic>
#include <deque>
#include <functional>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "wsgix/runtime/abi.h"

namespace wsgix::python_tests {

using Headers = std::vector<std::pair<std::string, std::string>>;

/// What one request saw and said.
struct Reply {
  wsgix_outcome outcome = {};
  int status = 0;
  std::string reason;
  Headers headers;
  std::string body;
  std::vector<std::string> events;  ///< "head", "body 5", "file 5", "flush", in order
  std::vector<std::string> log;     ///< "3 text"
  std::vector<int> loading;         ///< what `loading` was told

  std::string header(const std::string& name) const;
  bool logged(const std::string& part) const;
  std::string whole_log() const;
};

/// A request as a test writes it down.
struct Request {
  std::string script;
  std::string application_group = {};
  std::string callable_name = "application";
  bool reloading = true;
  Headers environ = {};
  std::deque<std::string> body = {};  ///< one read_body() call takes at most one piece
  int body_failure = 0;               ///< a WSGIX_IO_* value after the last piece
  bool body_waits = false;            ///< each piece needs may_wait
  int fail_send_at = 0;               ///< the n-th send_head/send_body/flush says CLIENT_GONE
  bool client_gone = false;           ///< what client_is_gone() says
  bool https = false;
  std::int64_t modified_us = 0;
  std::uint64_t id = 0;
  std::function<void()> on_body = {};  ///< while body is sent; the GIL is free if it is long
};

/// Python, started once for the whole test program.
class Server {
 public:
  static Server& the();

  void start(const wsgix_runtime& runtime);
  void stop();

  Reply handle(const Request& request);
  int load(const Request& request, wsgix_failure& why);

  wsgix_start& settings() { return start_; }
  const wsgix_runtime& runtime() const { return *runtime_; }
  int run_service(const Request& request, wsgix_failure& why);
  std::vector<std::string> take_process_log();
  std::vector<std::string> stacks(std::uint64_t id);
  /// Until a line of that stack has the text; false: it never came.
  bool wait_for_stack(std::uint64_t id, const std::string& text);

 private:
  static void log_to_process(void* context, int level, wsgix_text file, std::uint32_t line,
                             wsgix_text text);
  const wsgix_runtime* runtime_ = nullptr;
  wsgix_start start_ = {};
  std::mutex mutex_;  // guards process_log_
  std::vector<std::string> process_log_;
};

/// A test with a folder of its own for scripts.
class RuntimeTest : public testing::Test {
 protected:
  RuntimeTest();
  ~RuntimeTest() override;

  /// Writes the file and gives it a modification time of its own.
  std::string write(const std::string& name, const std::string& text);
  const std::string& folder() const { return folder_; }

  /// Runs a script with the standard environ.
  Reply run(const std::string& source);
  Reply run(const std::string& source, Request request);
  /// Runs a function body; `environ` and `start_response` are there.
  Reply run_body(const std::string& statements, Request request = {});

 private:
  std::string folder_;
  int files_ = 0;
};

/// 11 of 3.11.2
int minor_version();

/// "200 OK" with a text that the application computed.
std::string answering(const std::string& expression);

}  // namespace wsgix::python_tests

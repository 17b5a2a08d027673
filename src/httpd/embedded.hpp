// SPDX-License-Identifier: Apache-2.0
// httpd/embedded.hpp: the one Python of an httpd child, for embedded mode.
#pragma once

#include <atomic>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>

#include "client_body.hpp"
#include "routing.hpp"
#include "wsgix/runtime/library.hpp"
#include "wsgix/runtime/request_watchdog.hpp"

namespace wsgix::httpd {

/// For lines of the watchdog that belong to no request.
class ServerLog final : public LogSink {
 public:
  explicit ServerLog(const server_rec& server) noexcept : server_(server) {}
  void write(LogLevel level, std::string_view line) noexcept override;

 private:
  const server_rec& server_;
};

/// Python's main thread is a thread of its own, parked until the child ends: a request thread
/// would be taken for it, and the child's own main thread may be inside httpd at any time.
class EmbeddedPython {
 public:
  explicit EmbeddedPython(const server_rec& main);
  EmbeddedPython(const EmbeddedPython&) = delete;
  EmbeddedPython& operator=(const EmbeddedPython&) = delete;

  /// Starts it unless it runs already. A failure is final for this child.
  Result<void> start();

  /// Ends Python. False when a request is still inside it: then this object has to outlive the
  /// process's last moments, because that request and the parked thread use it.
  bool stop();

  /// Runs one request; what the handler returns.
  int handle(request_rec& r, const Route& route, BodyFacts body);

 private:
  enum class State : std::uint8_t { NotStarted, Running, Failed, Stopping };

  void live();
  void preload();
  Result<void> open_and_start();
  void describe_process();
  bool wait_until_empty();
  runtime::RequestWatchdog& watchdog();

  const server_rec& main_;
  const wsgix_runtime* runtime_ = nullptr;
  runtime::PythonChoice python_;
  wsgix_start start_{};  ///< borrows from python_ and what follows
  std::vector<wsgix_text> python_path_;
  std::vector<std::string> environment_;
  std::vector<wsgix_text> environment_texts_;

  std::mutex mutex_;  ///< guards state_ and failure_
  std::condition_variable changed_;
  State state_ = State::NotStarted;
  std::optional<Error> failure_;
  std::thread thread_;
  std::atomic<int> inside_{0};  ///< requests that are in the runtime
  ServerLog log_;
  std::once_flag watchdog_made_;
  std::unique_ptr<runtime::RequestWatchdog> watchdog_;  ///< null until a request has a deadline
};

}  // namespace wsgix::httpd

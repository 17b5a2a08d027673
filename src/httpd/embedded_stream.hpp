// SPDX-License-Identifier: Apache-2.0
// httpd/embedded_stream.hpp: one request in embedded mode: the runtime's calls over httpd's
// filters.
#pragma once

#include <atomic>
#include <vector>

#include "client_body.hpp"
#include "environ.hpp"
#include "response.hpp"
#include "routing.hpp"
#include "wsgix/runtime/abi.h"
#include "wsgix/runtime/request_watchdog.hpp"
#include "wsgix/runtime/stream.hpp"

namespace wsgix::httpd {

class EmbeddedStream final : public runtime::WatchedRequest, public runtime::Stream {
 public:
  EmbeddedStream(request_rec& r, const Route& route, BodyFacts body);
  /// Runs the request; what the handler returns. `watchdog`: who sees to its deadline, or null.
  int run(const wsgix_runtime& runtime, runtime::RequestWatchdog* watchdog);

  // ---- what the runtime calls ----
  std::ptrdiff_t read_body(char* into, std::size_t size, bool may_wait) override;
  int send_head(const wsgix_response_head& head) override;
  int send_body(std::string_view data) override;
  int send_file(int descriptor, std::uint64_t offset, std::uint64_t length) override;
  int flush() override;
  bool client_is_gone() const noexcept override;
  void early_hints(const wsgix_field* headers, std::size_t count) override;
  void show_loading(bool) noexcept override {}  // nobody looks
  void log(int level, std::string_view file, std::uint32_t line, std::string_view text) override;
  void log_of_copy(int level, std::string_view text) noexcept override;
  void log_bug(const char* what) noexcept override;

  // ---- what the watchdog calls ----
  /// From the watchdog's thread: the request's own pool is not for it.
  std::string describe() const override;
  void log_line(LogLevel level, std::string_view line) noexcept override;
  /// Microseconds of CLOCK_MONOTONIC; 0: none.
  std::int64_t deadline_us() const noexcept { return deadline_us_; }

 private:
  int answer(const wsgix_outcome& outcome);
  int result_of(bool reached) const noexcept;

  request_rec& r_;
  const Route& route_;
  const BodyFacts facts_;
  Environ environ_;
  ClientBody body_;
  Response response_;
  const int client_socket_;
  const std::int64_t deadline_us_;
  std::atomic<bool> body_is_over_;  ///< the client has no more to send
};

}  // namespace wsgix::httpd

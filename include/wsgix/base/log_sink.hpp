// SPDX-License-Identifier: Apache-2.0
// base/log_sink.hpp: where a room that knows neither httpd nor a file writes its log lines.
#pragma once

#include <cstdint>
#include <string_view>

#include "wsgix/base/error.hpp"

namespace wsgix {

/// The numbers are those of syslog(3) and of httpd's APLOG_*.
enum class LogLevel : std::uint8_t {
  Emergency = 0,
  Alert = 1,
  Critical = 2,
  Error = 3,
  Warning = 4,
  Notice = 5,
  Info = 6,
  Debug = 7,
};

/// Safe to call from any thread. A line holds no newline.
class LogSink {
 public:
  virtual ~LogSink() = default;
  virtual void write(LogLevel level, std::string_view line) noexcept = 0;

  void write(LogLevel level, const Error& error) { write(level, to_log_line(error)); }
};

}  // namespace wsgix

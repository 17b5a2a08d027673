// SPDX-License-Identifier: Apache-2.0
// os/error_log.hpp: lines of our own in httpd's error log, in the form httpd gives its own.
#pragma once

#include <sys/time.h>
#include <sys/types.h>

#include <string>
#include <string_view>

#include "wsgix/base/log_sink.hpp"

namespace wsgix::os {

/// "[Sun Nov 22 13:01:13.123456 2026] [wsgi:error] [pid 123:tid 456] line\n", local time.
/// Control characters in `line` are escaped: one call is one line of the log.
std::string format_log_line(LogLevel level, std::string_view line, timeval now, pid_t pid,
                            pid_t thread);

/// One write(2) for each line, so that the lines of many processes do not mix.
class ErrorLog final : public LogSink {
 public:
  /// Borrows the descriptor. Lines less serious than `level` are dropped.
  ErrorLog(int descriptor, LogLevel level) noexcept : descriptor_(descriptor), level_(level) {}

  using LogSink::write;
  void write(LogLevel level, std::string_view line) noexcept override;

 private:
  int descriptor_;
  LogLevel level_;
};

}  // namespace wsgix::os

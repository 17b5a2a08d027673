// SPDX-License-Identifier: Apache-2.0
// os/error_log.hpp: lines of our own in httpd's error log, in the form httpd gives its own: written
// there, or sent to the process that writes them.
#pragma once

#include <sys/stat.h>
#include <sys/time.h>
#include <sys/types.h>

#include <string>
#include <string_view>

#include "wsgix/base/log_sink.hpp"
#include "wsgix/base/result.hpp"
#include "wsgix/base/unique_fd.hpp"

namespace wsgix::os {

/// "[Sun Nov 22 13:01:13.123456 2026] [wsgi:error] [pid 123:tid 456] line\n", local time. Without a
/// thread (0) only the pid.
/// Escaped as httpd escapes: one call is one line of the log.
std::string format_log_line(LogLevel level, std::string_view line, timeval now, pid_t pid,
                            pid_t thread);

/// A descriptor of the same log with an open file description of its own, where the system can:
/// whoever changes its flags changes nobody else's. Otherwise a duplicate (a socket, no /proc).
Result<UniqueFd> open_anew(int descriptor);

/// All of it, or what fits before an error. Waits for room, also where the description would not:
/// a program that shares it may have made it non-blocking.
void write_whole(int descriptor, std::string_view text) noexcept;

/// One write(2) for each line, so that the lines of many processes do not mix.
class ErrorLog final : public LogSink {
 public:
  /// Borrows the descriptor. Lines less serious than `level` are dropped.
  ErrorLog(int descriptor, LogLevel level) noexcept : descriptor_(descriptor), level_(level) {}

  using LogSink::write;
  void write(LogLevel level, std::string_view line) noexcept override;
  /// A line of another process.
  void write_for(pid_t pid, pid_t thread, LogLevel level, std::string_view line) noexcept;

 private:
  int descriptor_;
  LogLevel level_;
};

/// The log of a process that has no error log, but a pipe as descriptor 2 whose reader writes to
/// it. Through descriptor 2 and not another one: what other code writes there keeps its order, and
/// a forked copy, or a daemon that has opened a file there, logs where it should.
class RelayedLog final : public LogSink {
 public:
  /// From now on, in this process and its copies, `descriptor` is the pipe.
  RelayedLog(int descriptor, LogLevel level) noexcept;

  using LogSink::write;
  /// Waits for the reader when the pipe is full. A copy's own pid is part of its text: the reader
  /// knows only whose pipe it is.
  void write(LogLevel level, std::string_view line) noexcept override;

 private:
  bool is_still_the_pipe() const noexcept;

  int descriptor_;
  LogLevel level_;
  pid_t owner_;
  struct stat pipe_ {};
};

}  // namespace wsgix::os

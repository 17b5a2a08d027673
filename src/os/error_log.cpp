// SPDX-License-Identifier: Apache-2.0
#include "wsgix/os/error_log.hpp"

#include <fmt/format.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <ctime>

namespace wsgix::os {
namespace {

// httpd's names of the levels, by number.
constexpr std::string_view kLevelNames[] = {"emerg", "alert",  "crit", "error",
                                            "warn",  "notice", "info", "debug"};

void append_escaped(std::string& out, std::string_view line) {
  for (const char character : line) {
    const auto byte = static_cast<unsigned char>(character);
    if (byte >= 0x20 && byte != 0x7f) {
      out += character;
    } else if (character == '\t') {
      out += "\\t";
    } else if (character == '\n') {
      out += "\\n";
    } else {
      out += fmt::format("\\x{:02x}", byte);
    }
  }
}

}  // namespace

std::string format_log_line(LogLevel level, std::string_view line, timeval now, pid_t pid,
                            pid_t thread) {
  tm broken_down{};
  ::localtime_r(&now.tv_sec, &broken_down);
  char day[32] = {};
  char year[8] = {};
  // Not strftime's %a and %b under a locale= of the group: httpd writes English names.
  constexpr const char* kDays[] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
  constexpr const char* kMonths[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                     "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  std::strftime(day, sizeof day, "%d %H:%M:%S", &broken_down);
  std::strftime(year, sizeof year, "%Y", &broken_down);

  std::string out =
      fmt::format("[{} {} {}.{:06} {}] [wsgi:{}] [pid {}:tid {}] ", kDays[broken_down.tm_wday],
                  kMonths[broken_down.tm_mon], day, now.tv_usec, year,
                  kLevelNames[static_cast<unsigned>(level) & 7u], pid, thread);
  append_escaped(out, line);
  out += '\n';
  return out;
}

void ErrorLog::write(LogLevel level, std::string_view line) noexcept {
  if (level > level_) return;
  try {
    timeval now{};
    ::gettimeofday(&now, nullptr);
    const std::string text =
        format_log_line(level, line, now, ::getpid(), static_cast<pid_t>(::syscall(SYS_gettid)));
    while (::write(descriptor_, text.data(), text.size()) < 0 && errno == EINTR) {
    }
  } catch (...) {
    // No memory for a log line: the line is lost, the process is not.
  }
}

}  // namespace wsgix::os

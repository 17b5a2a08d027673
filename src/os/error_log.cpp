// SPDX-License-Identifier: Apache-2.0
#include "wsgix/os/error_log.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <ctime>

#include "wsgix/base/log_text.hpp"
#include "wsgix/base/worker_output.hpp"

namespace wsgix::os {
namespace {

// httpd's names of the levels, by number.
constexpr std::string_view kLevelNames[] = {"emerg", "alert",  "crit", "error",
                                            "warn",  "notice", "info", "debug"};

}  // namespace

void write_whole(int descriptor, std::string_view text) noexcept {
  while (!text.empty()) {
    const ssize_t count = ::write(descriptor, text.data(), text.size());
    if (count > 0) text.remove_prefix(static_cast<std::size_t>(count));
    if (count >= 0 || errno == EINTR) continue;
    if (errno != EAGAIN) return;
    pollfd room{descriptor, POLLOUT, 0};
    ::poll(&room, 1, -1);
  }
}

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

  std::string out = fmt::format("[{} {} {}.{:06} {}] [wsgi:{}] [pid {}", kDays[broken_down.tm_wday],
                                kMonths[broken_down.tm_mon], day, now.tv_usec, year,
                                kLevelNames[static_cast<unsigned>(level) & 7u], pid);
  out += thread != 0 ? fmt::format(":tid {}] ", thread) : "] ";
  append_escaped(out, line);
  out += '\n';
  return out;
}

void ErrorLog::write(LogLevel level, std::string_view line) noexcept {
  write_for(::getpid(), static_cast<pid_t>(::syscall(SYS_gettid)), level, line);
}

void ErrorLog::write_for(pid_t pid, pid_t thread, LogLevel level, std::string_view line) noexcept {
  if (level > level_) return;
  try {
    timeval now{};
    ::gettimeofday(&now, nullptr);
    for_each_log_piece(line, [&](std::string_view piece) {
      write_whole(descriptor_, format_log_line(level, piece, now, pid, thread));
    });
  } catch (...) {
    // No memory for a log line: the line is lost, the process is not.
  }
}

RelayedLog::RelayedLog(int descriptor, LogLevel level) noexcept
    : descriptor_(descriptor), level_(level), owner_(::getpid()) {
  ::fstat(descriptor, &pipe_);
}

bool RelayedLog::is_still_the_pipe() const noexcept {
  struct stat now {};
  return ::fstat(descriptor_, &now) == 0 && now.st_ino == pipe_.st_ino &&
         now.st_dev == pipe_.st_dev;
}

void RelayedLog::write(LogLevel level, std::string_view line) noexcept {
  if (level > level_) return;
  if (!is_still_the_pipe()) return ErrorLog(descriptor_, level_).write(level, line);
  try {
    const pid_t self = ::getpid();
    const bool is_copy = self != owner_;
    const std::string named = is_copy ? fmt::format("[pid {}] {}", self, line) : std::string();
    const auto thread = is_copy ? 0u : static_cast<std::uint32_t>(::syscall(SYS_gettid));
    for_each_log_piece(is_copy ? named : line, [&](std::string_view piece) {
      write_whole(descriptor_, encode_output_record(level, thread, piece));
    });
  } catch (...) {
    // No memory for a log line: the line is lost, the process is not.
  }
}

Result<UniqueFd> open_anew(int descriptor) {
  // The link of /proc leads to the file itself, also when its name is gone or another's by now.
  const std::string path = fmt::format("/proc/self/fd/{}", descriptor);
  UniqueFd opened(::open(path.c_str(), O_WRONLY | O_APPEND | O_CLOEXEC | O_NOCTTY | O_NONBLOCK));
  if (opened && ::fcntl(opened.get(), F_SETFL, O_APPEND) == 0) return opened;
  UniqueFd shared(::fcntl(descriptor, F_DUPFD_CLOEXEC, 0));
  if (shared) return shared;
  return failed(ErrorCode::CannotOpenDescriptor, "error log: dup", errno);
}

}  // namespace wsgix::os

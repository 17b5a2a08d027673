// SPDX-License-Identifier: Apache-2.0
// host/main.cpp: wsgix-host, the program that runs one daemon group. Connects rooms, decides
// nothing. The httpd parent starts it; the descriptors it is given are in descriptors.hpp.
#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <cstdio>
#include <exception>
#include <string_view>

#include "descriptors.hpp"
#include "settings_source.hpp"
#include "start_order.hpp"
#include "succession.hpp"
#include "supervision.hpp"
#include "wsgix/base/clock.hpp"
#include "wsgix/os/descriptors.hpp"
#include "wsgix/os/error_log.hpp"
#include "wsgix/os/process_title.hpp"

namespace wsgix::host {
namespace {

enum ExitCode { kDone = 0, kUsage = 2, kBadSettings = 3, kNoPlace = 4, kFailed = 5 };

int refuse(const Error& error, ExitCode code) {
  os::ErrorLog(kErrorLog, LogLevel::Alert).write(LogLevel::Alert, error);
  return code;
}

/// The pause after hosts that ended early, before anything can end this one. False: httpd is gone.
bool wait_for_turn(milliseconds pause) {
  const Deadline turn = after(pause);
  pollfd lifeline{kLifeline, POLLIN, 0};
  while (Clock::now() < turn) {
    ::poll(&lifeline, 1, poll_timeout(turn));
    if (os::has_ended(kLifeline)) return false;
  }
  return true;
}

/// Each number has one meaning, also where httpd gave nothing: another descriptor that got it
/// would be taken for what it is not.
void hold_numbers() {
  for (int fd = kSettings; fd < kFirstUnused; ++fd) {
    if (os::is_open(fd)) {
      (void)os::set_close_on_exec(fd);
      continue;
    }
    const int nothing = ::open("/dev/null", O_RDWR | O_CLOEXEC);
    if (nothing == fd || nothing < 0) continue;
    ::dup3(nothing, fd, O_CLOEXEC);
    ::close(nothing);
  }
}

int serve() {
  os::reset_signals();
  os::close_from(kFirstUnused);
  hold_numbers();
  auto settings = read_settings(kSettings);
  if (!settings) return refuse(settings.error(), kBadSettings);
  os::ErrorLog log(kErrorLog, static_cast<LogLevel>(settings->log_level));
  const bool is_service = settings->daemon.threads == 0;
  if (is_service) config::remove_request_limits(settings->daemon);

  if (!wait_for_turn(milliseconds(settings->start_delay_ms))) return kDone;
  if (const auto placed = take_place(*settings, log); !placed) {
    return refuse(placed.error(), kNoPlace);
  }
  const auto board = scoreboard::map(kScoreboard);
  if (!board) return refuse(board.error(), kBadSettings);
  if (is_service && !outlive_predecessor(**board)) return kDone;
  const auto supervised = Supervision(*settings, **board, log).run();
  return supervised ? kDone : refuse(supervised.error(), kFailed);
}

int show_usage(std::string_view argument) {
  if (argument == "--version") {
    std::printf("wsgix-host %s\n", WSGIX_VERSION);
    return kDone;
  }
  std::fputs(
      "usage: wsgix-host --version\n"
      "httpd starts this program for each WSGIDaemonProcess; it cannot be started by hand.\n",
      stderr);
  return kUsage;
}

}  // namespace
}  // namespace wsgix::host

int main(int argc, char** argv) {
  using namespace wsgix;
  const std::string_view argument = argc == 2 ? argv[1] : "";
  if (argument != "--serve") return host::show_usage(argument);
  os::claim_title_area(argc, argv);
  try {
    return host::serve();
  } catch (const std::exception& bug) {
    return host::refuse({ErrorCode::UnexpectedException, bug.what()}, host::kFailed);
  }
}

// SPDX-License-Identifier: Apache-2.0
// host/main.cpp: wsgix-host, the program that runs one daemon group. Connects rooms, decides
// nothing. The httpd parent starts it; the descriptors it is given are in descriptors.hpp.
#include <fcntl.h>
#include <unistd.h>

#include <cstdio>
#include <exception>
#include <iterator>
#include <string_view>

#include "from_httpd.hpp"
#include "start_order.hpp"
#include "supervision.hpp"
#include "sweeper.hpp"
#include "turn.hpp"
#include "wsgix/os/descriptors.hpp"
#include "wsgix/os/error_log.hpp"
#include "wsgix/os/process_title.hpp"

namespace wsgix::host {
namespace {

enum ExitCode { kDone = 0, kUsage = 2, kBadSettings = 3, kBadIdentity = 4, kFailed = 5 };

int refuse(const Error& error, ExitCode code) {
  os::ErrorLog(kErrorLog, LogLevel::Alert).write(LogLevel::Alert, error);
  return code;
}

/// Each number has one meaning, also where httpd gave nothing: another descriptor that got it
/// would be taken for what it is not.
void hold_numbers() {
  for (int fd = kSettings; fd < kHostDescriptors; ++fd) {
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
  os::close_from(kHostDescriptors);
  hold_numbers();
  auto settings = read_settings(kSettings);
  if (!settings) return refuse(settings.error(), kBadSettings);
  os::ErrorLog log(kErrorLog, static_cast<LogLevel>(settings->log_level));
  const bool is_service = settings->daemon.threads == 0;
  if (is_service) config::remove_request_limits(settings->daemon);

  Handover handover{UniqueFd(kRetire), UniqueFd(kHandover)};
  if (!wait_for_turn(handover, milliseconds(settings->start_delay_ms))) return kDone;
  if (const auto is_set_up = set_up_process(*settings, log); !is_set_up) {
    return refuse(is_set_up.error(), kBadIdentity);
  }
  const auto board = scoreboard::map(kScoreboard);
  if (!board) return refuse(board.error(), kBadSettings);
  if (is_service && !outlive_predecessor(handover, settings->daemon, **board)) return kDone;
  const auto supervised = Supervision(*settings, **board, handover, log).run();
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
  const std::string_view argument = argc >= 2 ? argv[1] : "";
  const bool sweeps = argument == "--sweep" && argc > 2;
  if (!sweeps && (argument != "--serve" || argc != 2)) return host::show_usage(argument);
  os::claim_title_area(argc, argv);
  try {
    if (sweeps) return host::sweep(argc - 2, argv + 2);
    return host::serve();
  } catch (const std::exception& bug) {
    return host::refuse({ErrorCode::UnexpectedException, bug.what()}, host::kFailed);
  }
}

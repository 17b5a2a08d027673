// SPDX-License-Identifier: Apache-2.0
// httpd/spawn.hpp: fork and exec of one wsgix-host.
#pragma once

#include <sys/types.h>

#include <string>

#include "wsgix/base/result.hpp"

namespace wsgix::httpd {

/// The descriptors are the caller's; in the host each has the number of docs/architecture.md.
struct HostLaunch {
  std::string program;
  std::string title;    ///< what ps shows
  int error_log = -1;   ///< 1 and 2
  int settings = -1;    ///< 3
  int listener = -1;    ///< 4
  int scoreboard = -1;  ///< 5
  int lifeline = -1;    ///< 6, read end
  int retire = -1;      ///< 7, read end
  int handover = -1;    ///< 8, write end of the predecessor's retire pipe; -1: none, /dev/null
  int commands = -1;    ///< 9
};

/// Returns when the program runs, or with the reason why it does not.
Result<pid_t> launch(const HostLaunch& host);

}  // namespace wsgix::httpd

// SPDX-License-Identifier: Apache-2.0
// httpd/spawn.hpp: fork and exec of one wsgix-host.
#pragma once

#include <sys/types.h>

#include <array>
#include <string>
#include <vector>

#include "wsgix/base/result.hpp"
#include "wsgix/config/host_descriptors.hpp"

namespace wsgix::httpd {

struct HostLaunch {
  std::string program;
  std::string title;  ///< what ps shows
  /// The caller's, each under the number that the host knows it by; -1 is /dev/null there.
  std::array<int, config::kHostDescriptors> descriptors;
};

/// Returns when the program runs, or with the reason why it does not.
Result<pid_t> launch(const HostLaunch& host);

/// A process that outlives this configuration and removes files.
struct SweeperLaunch {
  struct Leftover {
    const char* path;
    int until;  ///< a pipe: the file is removed at its end
  };
  std::string program;
  int dismissal = -1;  ///< a pipe: a byte in it means that nothing is to be removed
  std::vector<Leftover> leftovers;
};

/// It is nobody's child: httpd would wonder at its end.
Result<void> launch(const SweeperLaunch& sweeper);

}  // namespace wsgix::httpd

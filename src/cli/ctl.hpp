// SPDX-License-Identifier: Apache-2.0
// cli/ctl.hpp: the commands of `wsgix ctl`, each from its arguments to its exit code.
#pragma once

#include <string>

#include "exit_code.hpp"

namespace wsgix::cli {

struct Target {
  std::string prefix;  ///< of the server's sockets
  std::string group;
  bool wait = true;  ///< until the group has done it
};

ExitCode list_groups(const std::string& prefix, bool as_json);
ExitCode reload(const Target& target);
ExitCode drain(const Target& target);
ExitCode resume(const Target& target);
ExitCode write_stacks(const Target& target);

}  // namespace wsgix::cli

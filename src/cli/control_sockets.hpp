// SPDX-License-Identifier: Apache-2.0
// cli/control_sockets.hpp: finds the control sockets of a server's groups and asks them.
#pragma once

#include <string>
#include <vector>

#include "exit_code.hpp"
#include "wsgix/base/clock.hpp"
#include "wsgix/wire/command.hpp"
#include "wsgix/wire/group_status.hpp"

namespace wsgix::cli {

inline constexpr seconds kPatience{5};

/// What came of asking one socket.
struct Reply {
  enum class Kind {
    Answered,
    Stale,      ///< nobody listens there any more
    Forbidden,  ///< not to us
    Silent,     ///< somebody listens, but gave no answer that makes sense
  };
  Kind kind;
  std::string path;
  wire::CommandAnswer answer{};
};

/// Every PREFIX.*.ctl, sorted.
Outcome<std::vector<std::string>> control_sockets(const std::string& prefix);

Reply ask(const std::string& path, wire::Command command, Clock::duration patience = kPatience);

}  // namespace wsgix::cli

// SPDX-License-Identifier: Apache-2.0
// host/running.hpp: the worker processes that this supervisor has made and not yet reaped.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "wsgix/base/clock.hpp"
#include "wsgix/base/unique_fd.hpp"
#include "wsgix/config/daemon_settings.hpp"
#include "wsgix/os/child.hpp"
#include "wsgix/supervisor/group.hpp"

namespace wsgix::host {

struct Running {
  os::Child process;
  UniqueFd control;
  UniqueFd stacks;  ///< what its Python writes at os::kStacksSignal
  std::uint32_t slot = 0;
  pid_t pid = 0;              ///< still known after the process was reaped
  Deadline kill_at = kNever;  ///< it is to be killed, but may say where it stands first
  bool was_killed = false;    ///< by us
  std::string stack_line{};   ///< the part of a line that has been read
  int stack_lines = 0;
  bool is_incomplete = false;                   ///< it is being replaced for want of a script
  std::vector<wsgi::OwnedScriptRef> scripts{};  ///< it has loaded, as far as is known
};

using Workers = std::map<supervisor::WorkerId, Running>;

}  // namespace wsgix::host

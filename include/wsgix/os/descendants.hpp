// SPDX-License-Identifier: Apache-2.0
// os/descendants.hpp: the processes below this one, and their end.
//
// For a subreaper: whatever they do (fork twice, setsid), they do not leave its tree while it
// lives.
#pragma once

#include <sys/types.h>

#include <functional>
#include <string>
#include <vector>

#include "wsgix/base/clock.hpp"

namespace wsgix::os {

struct Descendant {
  pid_t pid = 0;
  std::string command;  ///< printable and short; empty: /proc does not say
};

/// All that are alive now, children before their children. Without /proc, as in a jail, only the
/// children, and without their names.
std::vector<Descendant> descendants();

/// Ends all of them: SIGTERM, `grace`, then SIGKILL for as long as new ones appear, but not longer
/// than `most` after that. Calls `meanwhile` every few milliseconds. Reaps every child. What it
/// found, each once; empty: there was nobody.
std::vector<Descendant> end_descendants(Clock::duration grace, Clock::duration most,
                                        const std::function<void()>& meanwhile);

}  // namespace wsgix::os

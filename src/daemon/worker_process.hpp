// SPDX-License-Identifier: Apache-2.0
// daemon/worker_process.hpp: what a process that serves requests and one of a service share.
#pragma once

#include <unistd.h>

#include "wsgix/base/own_descriptors.hpp"
#include "wsgix/daemon/worker.hpp"
#include "wsgix/os/descriptors.hpp"
#include "wsgix/os/forked_copies.hpp"
#include "wsgix/os/poll_set.hpp"

namespace wsgix::daemon {

inline constexpr int kExitFailed = 1;

/// At the start, before Python: it tells itself from the processes that its application forks. What
/// it got from the supervisor is not for copies.
inline void become_original(const WorkerContext& context) {
  for (const int fd : {context.listener, context.lifeline, context.control, context.stacks}) {
    own_descriptors::add(fd);
  }
  os::declare_original_process(os::ExitHandlers::SkippedInCopies);
}

/// In each wait: nothing of a group outlives httpd.
inline void end_with_httpd(const WorkerContext& context, os::PollSet& set) {
  set.add(context.lifeline, POLLIN, [fd = context.lifeline] {
    if (os::has_ended(fd)) ::_exit(kExitFailed);
  });
}

}  // namespace wsgix::daemon

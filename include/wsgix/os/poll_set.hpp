// SPDX-License-Identifier: Apache-2.0
// os/poll_set.hpp: poll(2) over a few descriptors, each with what follows when something happens.
#pragma once

#include <poll.h>

#include <functional>
#include <vector>

#include "wsgix/base/clock.hpp"

namespace wsgix::os {

/// Made anew for each wait: who is watched depends on the moment.
class PollSet {
 public:
  /// `events` as for poll(2); an end or an error counts always. A negative descriptor is left out.
  /// Without a callback it only ends the wait.
  void add(int fd, short events, std::function<void()> on_event = {});
  /// Waits, at most until the deadline, and then calls back in the order of add(). False: nothing
  /// has happened, or a signal came.
  bool wait(Deadline deadline);
  const std::vector<pollfd>& watched() const noexcept { return polled_; }

 private:
  std::vector<pollfd> polled_;
  std::vector<std::function<void()>> callbacks_;
};

}  // namespace wsgix::os

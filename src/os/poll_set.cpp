// SPDX-License-Identifier: Apache-2.0
#include "wsgix/os/poll_set.hpp"

#include <utility>

namespace wsgix::os {

void PollSet::add(int fd, short events, std::function<void()> on_event) {
  if (fd < 0) return;
  polled_.push_back({fd, events, 0});
  callbacks_.push_back(std::move(on_event));
}

bool PollSet::wait(Deadline deadline) {
  if (::poll(polled_.data(), polled_.size(), poll_timeout(deadline)) <= 0) return false;
  for (std::size_t i = 0; i < polled_.size(); ++i) {
    if (polled_[i].revents != 0 && callbacks_[i]) callbacks_[i]();
  }
  return true;
}

}  // namespace wsgix::os

// SPDX-License-Identifier: Apache-2.0
#include "succession.hpp"

#include <poll.h>
#include <unistd.h>

#include <algorithm>

#include "descriptors.hpp"
#include "wsgix/os/child.hpp"
#include "wsgix/os/descriptors.hpp"

namespace wsgix::host {
namespace {

constexpr int kLookMs = 50;

bool lives(const scoreboard::WorkerSlot& slot) {
  if (slot.state.load() == scoreboard::WorkerState::Free) return false;
  return os::process_exists(static_cast<pid_t>(slot.pid.load()));
}

}  // namespace

bool outlive_predecessor(const scoreboard::Board& board) {
  // Stays open: its number must not become another descriptor's. A second byte changes nothing.
  if (os::is_open(kHandover)) {
    const char byte = 1;
    [[maybe_unused]] const ssize_t ignored = ::write(kHandover, &byte, 1);
  }
  while (std::any_of(board.workers.begin(), board.workers.end(), lives)) {
    pollfd watched[] = {{kLifeline, 0, 0}, {kRetire, POLLIN, 0}};
    ::poll(watched, std::size(watched), kLookMs);
    if (os::has_ended(kLifeline) || (watched[1].revents & POLLIN) != 0) return false;
  }
  return true;
}

}  // namespace wsgix::host

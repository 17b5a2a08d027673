// SPDX-License-Identifier: Apache-2.0
#include "wsgix/scoreboard/waiting.hpp"

#include <sys/types.h>

#include "wsgix/os/child.hpp"

namespace wsgix::scoreboard {

WaitPlace::WaitPlace(Board& board, std::uint32_t pid) noexcept : since_us_(now_us()) {
  for (WaitSlot& slot : board.waiting) {
    std::uint32_t free = 0;
    if (slot.pid.load(std::memory_order_relaxed) != 0) continue;
    if (!slot.pid.compare_exchange_strong(free, pid)) continue;
    slot.since_us.store(since_us_);
    slot_ = &slot;
    return;
  }
}

WaitPlace::~WaitPlace() {
  if (slot_ == nullptr) return;
  slot_->since_us.store(0);
  slot_->pid.store(0);
}

Waiting waiting_requests(Board& board, std::int64_t before_us) noexcept {
  Waiting found;
  std::uint32_t known = 0;  // of a child that was just seen to live: most slots are of a few
  for (WaitSlot& slot : board.waiting) {
    std::uint32_t pid = slot.pid.load(std::memory_order_relaxed);
    if (pid == 0) continue;
    if (pid != known && !os::process_exists(static_cast<pid_t>(pid))) {
      slot.since_us.store(0);
      slot.pid.compare_exchange_strong(pid, 0);
      continue;
    }
    known = pid;
    const std::int64_t since = slot.since_us.load();
    if (since == 0 || since >= before_us) continue;  // 0: just taken or just left
    ++found.count;
    if (found.oldest_us == 0 || since < found.oldest_us) found.oldest_us = since;
  }
  return found;
}

}  // namespace wsgix::scoreboard

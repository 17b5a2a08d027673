// SPDX-License-Identifier: Apache-2.0
#include "wsgix/scoreboard/waiting.hpp"

#include <sys/types.h>

#include <algorithm>

#include "wsgix/os/child.hpp"

namespace wsgix::scoreboard {
namespace {

template <typename Function>
void for_each_waiting(Board& board, Function function) {
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
    if (since != 0) function(since);  // 0: just taken or just left
  }
}

}  // namespace

HeldWaitSlot::HeldWaitSlot(Board& board, std::uint32_t pid) noexcept : since_us_(now_us()) {
  for (WaitSlot& slot : board.waiting) {
    std::uint32_t free = 0;
    if (slot.pid.load(std::memory_order_relaxed) != 0) continue;
    if (!slot.pid.compare_exchange_strong(free, pid)) continue;
    slot.since_us.store(since_us_);
    slot_ = &slot;
    return;
  }
}

HeldWaitSlot::~HeldWaitSlot() {
  if (slot_ == nullptr) return;
  slot_->since_us.store(0);
  slot_->pid.store(0);
}

Waiting waiting_requests(Board& board, std::int64_t before_us) noexcept {
  Waiting found;
  for_each_waiting(board, [&](std::int64_t since) {
    if (since >= before_us) return;
    ++found.count;
    if (found.oldest_us == 0 || since < found.oldest_us) found.oldest_us = since;
  });
  return found;
}

std::vector<std::int64_t> waiting_since(Board& board) {
  std::vector<std::int64_t> found;
  for_each_waiting(board, [&](std::int64_t since) { found.push_back(since); });
  return found;
}

Turn turn_of(std::vector<std::int64_t> since, std::size_t slots, std::int64_t long_before_us) {
  const auto oldest = std::min_element(since.begin(), since.end());
  if (oldest == since.end() || *oldest >= long_before_us) return {false, kEverybodysTurn};
  if (since.size() <= slots) return {true, kEverybodysTurn};
  const auto last =
      since.begin() + static_cast<std::ptrdiff_t>(std::max<std::size_t>(slots, 1) - 1);
  std::nth_element(since.begin(), last, since.end());
  return {true, *last};
}

}  // namespace wsgix::scoreboard

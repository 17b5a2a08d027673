// SPDX-License-Identifier: Apache-2.0
#include "slots.hpp"

#include <unistd.h>

#include "wsgix/os/child.hpp"
#include "wsgix/scoreboard/threads.hpp"

namespace wsgix::host {
using scoreboard::WorkerSlot;
using scoreboard::WorkerState;

Slots::Slots(scoreboard::Board& board) noexcept
    : board_(board), self_(static_cast<std::uint32_t>(::getpid())) {}

void Slots::reclaim_from_the_dead() noexcept {
  for (std::uint32_t number = 0; number < board_.workers.size(); ++number) {
    const std::uint32_t pid = board_.workers[number].pid.load();
    if (pid == 0 || mine_[number] || os::process_exists(static_cast<pid_t>(pid))) continue;
    scoreboard::free_threads_of(board_, pid);
    free(number, pid);
  }
  show_totals();
}

std::optional<std::uint32_t> Slots::take() noexcept {
  for (std::uint32_t number = 0; number < board_.workers.size(); ++number) {
    std::uint32_t nobody = 0;
    if (mine_[number]) continue;
    if (!board_.workers[number].pid.compare_exchange_strong(nobody, self_)) continue;
    clear(number);
    return number;
  }
  // No two hosts together have so many workers. From the end: another host begins at the front.
  for (auto number = static_cast<std::uint32_t>(board_.workers.size()); number-- > 0;) {
    if (mine_[number]) continue;
    board_.workers[number].pid.store(self_);
    clear(number);
    return number;
  }
  return std::nullopt;
}

void Slots::clear(std::uint32_t number) noexcept {
  WorkerSlot& slot = board_.workers[number];
  mine_[number] = true;
  slot.busy.store(0);
  slot.requests.store(0);
  slot.heartbeat_us.store(0);
  slot.activity_us.store(0);
  slot.resident_bytes.store(0);
  slot.started_us.store(scoreboard::now_us());
  slot.state.store(WorkerState::Starting);
}

void Slots::show(std::uint32_t slot, pid_t pid, WorkerState state,
                 std::uint32_t generation) noexcept {
  board_.workers[slot].generation.store(generation);
  board_.workers[slot].pid.store(static_cast<std::uint32_t>(pid));
  board_.workers[slot].state.store(state);
}

void Slots::free(std::uint32_t number, std::uint32_t holder) noexcept {
  WorkerSlot& slot = board_.workers[number];
  mine_[number] = false;
  // Another host may have taken it back already, and given it away.
  if (!slot.pid.compare_exchange_strong(holder, self_)) return;
  slot.busy.store(0);
  slot.state.store(WorkerState::Free);
  slot.pid.store(0);
}

void Slots::show_totals() noexcept {
  std::uint32_t ready = 0;
  std::uint32_t used = 0;
  for (std::uint32_t number = 0; number < board_.workers.size(); ++number) {
    const WorkerSlot& slot = board_.workers[number];
    if (slot.pid.load() != 0) used = number + 1;
    if (slot.state.load() == WorkerState::Ready) ++ready;
  }
  board_.ready_workers.store(ready);
  board_.used_slots.store(used);
}

}  // namespace wsgix::host

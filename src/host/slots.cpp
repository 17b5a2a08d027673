// SPDX-License-Identifier: Apache-2.0
#include "slots.hpp"

#include <algorithm>
#include <cerrno>
#include <csignal>

#include "wsgix/scoreboard/threads.hpp"

namespace wsgix::host {

using scoreboard::WorkerSlot;
using scoreboard::WorkerState;

void Slots::reclaim_from_the_dead() noexcept {
  for (WorkerSlot& slot : board_.workers) {
    if (slot.state.load() == WorkerState::Free) continue;
    const auto pid = static_cast<pid_t>(slot.pid.load());
    if (pid > 0 && ::kill(pid, 0) != 0 && errno == ESRCH) {
      scoreboard::free_threads_of(board_, static_cast<std::uint32_t>(pid));
      free(static_cast<std::uint32_t>(&slot - board_.workers.data()));
    }
  }
  count_ready();
}

std::optional<std::uint32_t> Slots::take() noexcept {
  for (std::uint32_t number = 0; number < board_.workers.size(); ++number) {
    WorkerSlot& slot = board_.workers[number];
    auto expected = WorkerState::Free;
    if (!slot.state.compare_exchange_strong(expected, WorkerState::Starting)) continue;
    slot.busy.store(0);
    slot.requests.store(0);
    slot.heartbeat_us.store(0);
    slot.activity_us.store(0);
    slot.resident_bytes.store(0);
    slot.started_us.store(scoreboard::now_us());
    return number;
  }
  return std::nullopt;
}

void Slots::show(std::uint32_t slot, pid_t pid, WorkerState state,
                 std::uint32_t generation) noexcept {
  board_.workers[slot].generation.store(generation);
  board_.workers[slot].pid.store(static_cast<std::uint32_t>(pid));
  board_.workers[slot].state.store(state);
}

void Slots::free(std::uint32_t slot) noexcept {
  board_.workers[slot].pid.store(0);
  board_.workers[slot].busy.store(0);
  board_.workers[slot].state.store(WorkerState::Free);
}

void Slots::count_ready() noexcept {
  const auto ready =
      std::count_if(board_.workers.begin(), board_.workers.end(),
                    [](const WorkerSlot& slot) { return slot.state.load() == WorkerState::Ready; });
  board_.ready_workers.store(static_cast<std::uint32_t>(ready));
}

}  // namespace wsgix::host

// SPDX-License-Identifier: Apache-2.0
#include "connections.hpp"

#include <algorithm>

#include "wsgix/scoreboard/waiting.hpp"
#include "wsgix/scoreboard/words.hpp"

namespace wsgix::httpd {
namespace {

/// A description walks the whole board; a full group may refuse thousands of requests a second.
constexpr milliseconds kBetweenDescriptions{100};

/// Who has an open connection reaches a free thread before those in the listener's backlog. That is
/// what makes a full group fast; but none of those may starve.
constexpr std::int64_t kLongWaitUs = 250'000;
constexpr std::int64_t kBetweenLooksUs = 50'000;

}  // namespace

using scoreboard::WorkerState;

std::uint32_t GroupClient::busy_of(const Connection& connection) const noexcept {
  const std::size_t slot = connection.worker.slot;
  if (slot >= scoreboard::kWorkerSlots) return 0;
  return board_->workers[slot].busy.load(std::memory_order_relaxed);
}

/// Slots are taken from the front; how far they reach is not for the settings to say: the workers
/// of several configurations may exist at once.
std::size_t GroupClient::used_slots() const noexcept {
  const std::size_t used = board_->used_slots.load(std::memory_order_relaxed);
  return std::min(scoreboard::kWorkerSlots, used);
}

bool GroupClient::somebody_is_free() const noexcept {
  for (std::size_t slot = 0; slot < used_slots(); ++slot) {
    const scoreboard::WorkerSlot& worker = board_->workers[slot];
    if (worker.state.load(std::memory_order_relaxed) == WorkerState::Ready &&
        worker.busy.load(std::memory_order_relaxed) == 0) {
      return true;
    }
  }
  return false;
}

bool GroupClient::somebody_waits_long() noexcept {
  const std::int64_t now = scoreboard::now_us();
  std::int64_t due = next_look_at_waiting_us_.load(std::memory_order_relaxed);
  if (now >= due && next_look_at_waiting_us_.compare_exchange_strong(due, now + kBetweenLooksUs)) {
    const std::int64_t oldest = scoreboard::waiting_requests(*board_).oldest_us;
    waits_long_.store(oldest != 0 && now - oldest > kLongWaitUs, std::memory_order_relaxed);
  }
  return waits_long_.load(std::memory_order_relaxed);
}

std::unique_ptr<Connection> GroupClient::take_idle() {
  if (somebody_waits_long()) return nullptr;  // into the backlog, behind them
  std::unique_ptr<Connection> taken;
  while (!taken) {
    const std::lock_guard lock(mutex_);
    if (idle_.empty()) return nullptr;
    auto best = idle_.end() - 1;
    std::uint32_t least = busy_of(**best);
    for (auto candidate = best; least != 0 && candidate != idle_.begin();) {
      --candidate;
      if (const std::uint32_t busy = busy_of(**candidate); busy < least) {
        best = candidate;
        least = busy;
      }
    }
    if (least != 0 && somebody_is_free()) return nullptr;
    taken = std::move(*best);
    idle_.erase(best);
    if (taken->channel.peer_is_gone()) taken.reset();
  }
  return taken;
}

void GroupClient::give_back(std::unique_ptr<Connection> connection) {
  const std::lock_guard lock(mutex_);
  if (idle_.size() < most_idle_) idle_.push_back(std::move(connection));
}

GroupClient::Load GroupClient::load() const noexcept {
  Load load;
  for (std::size_t slot = 0; slot < used_slots(); ++slot) {
    const scoreboard::WorkerSlot& worker = board_->workers[slot];
    if (worker.state.load(std::memory_order_relaxed) != WorkerState::Ready) continue;
    ++load.ready_workers;
    load.busy += worker.busy.load(std::memory_order_relaxed);
  }
  return load;
}

unsigned GroupClient::threads_of(const Load& load) const noexcept {
  return load.ready_workers * static_cast<unsigned>(std::max(group_.settings.threads, 1));
}

bool GroupClient::is_busy() const noexcept {
  const Load now = load();
  return now.busy >= threads_of(now);
}

bool GroupClient::is_paused() const noexcept {
  return board_->group_state.load(std::memory_order_relaxed) == scoreboard::GroupState::Paused;
}

std::string GroupClient::describe_load() {
  const std::lock_guard lock(description_mutex_);
  if (description_.empty() || Clock::now() >= described_ + kBetweenDescriptions) {
    const Load now = load();
    description_ = scoreboard::describe_load(*board_, now.busy, threads_of(now));
    described_ = Clock::now();
  }
  return description_;
}

}  // namespace wsgix::httpd

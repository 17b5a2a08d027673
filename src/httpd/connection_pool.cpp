// SPDX-License-Identifier: Apache-2.0
#include "connection_pool.hpp"

#include <algorithm>

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

Result<void> Connection::welcome(std::string_view payload) {
  const Result<wire::Welcome> decoded = wire::decode_welcome(payload);
  if (!decoded) return failed(decoded);
  worker = *decoded;
  welcomed_us = scoreboard::now_us();
  return {};
}

bool Connection::worker_has_died(const scoreboard::Board& board) const {
  const auto death = scoreboard::find_death(board, worker.pid);
  return death && death->at_us >= welcomed_us && !channel.has_news();
}

std::uint32_t ConnectionPool::busy_of(const Connection& connection) const noexcept {
  const std::size_t slot = connection.worker.slot;
  if (slot >= scoreboard::kWorkerSlots) return 0;
  return board_->workers[slot].busy.load(std::memory_order_relaxed);
}

/// Slots are taken from the front; how far they reach is not for the settings to say: the workers
/// of several configurations may exist at once.
std::size_t ConnectionPool::used_slots() const noexcept {
  const std::size_t used = board_->used_slots.load(std::memory_order_relaxed);
  return std::min(scoreboard::kWorkerSlots, used);
}

bool ConnectionPool::somebody_is_free() const noexcept {
  for (std::size_t slot = 0; slot < used_slots(); ++slot) {
    const scoreboard::WorkerSlot& worker = board_->workers[slot];
    if (worker.state.load(std::memory_order_relaxed) == WorkerState::Ready &&
        worker.busy.load(std::memory_order_relaxed) == 0) {
      return true;
    }
  }
  return false;
}

/// One look for many requests: it walks the whole board.
scoreboard::Turn ConnectionPool::turn() {
  const std::int64_t now = scoreboard::now_us();
  std::int64_t due = next_look_at_waiting_us_.load(std::memory_order_relaxed);
  if (now >= due && next_look_at_waiting_us_.compare_exchange_strong(due, now + kBetweenLooksUs)) {
    const auto places = static_cast<std::size_t>(group_.settings.listen_backlog);
    const scoreboard::Turn found =
        scoreboard::turn_of(scoreboard::waiting_since(*board_), places, now - kLongWaitUs);
    somebody_waits_long_.store(found.somebody_waits_long, std::memory_order_relaxed);
    last_in_turn_us_.store(found.last_us, std::memory_order_relaxed);
  }
  return {somebody_waits_long_.load(std::memory_order_relaxed),
          last_in_turn_us_.load(std::memory_order_relaxed)};
}

std::unique_ptr<Connection> ConnectionPool::take_idle() {
  if (turn().somebody_waits_long) return nullptr;  // into the backlog, behind them
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
    // What lies there belongs to no request, or says that the worker has gone.
    if (!taken->channel.is_quiet()) taken.reset();
  }
  return taken;
}

void ConnectionPool::give_back(std::unique_ptr<Connection> connection) {
  const std::lock_guard lock(mutex_);
  if (idle_.size() < most_idle_) idle_.push_back(std::move(connection));
}

ConnectionPool::Load ConnectionPool::load() const noexcept {
  Load load;
  for (std::size_t slot = 0; slot < used_slots(); ++slot) {
    const scoreboard::WorkerSlot& worker = board_->workers[slot];
    if (worker.state.load(std::memory_order_relaxed) != WorkerState::Ready) continue;
    ++load.ready_workers;
    load.busy += worker.busy.load(std::memory_order_relaxed);
  }
  return load;
}

unsigned ConnectionPool::threads_of(const Load& load) const noexcept {
  return load.ready_workers * static_cast<unsigned>(std::max(group_.settings.threads, 1));
}

bool ConnectionPool::is_busy() const noexcept {
  const Load now = load();
  return now.busy >= threads_of(now);
}

bool ConnectionPool::is_paused() const noexcept {
  return board_->group_state.load(std::memory_order_relaxed) == scoreboard::GroupState::Paused;
}

std::string ConnectionPool::describe_load() {
  const std::lock_guard lock(description_mutex_);
  if (description_.empty() || Clock::now() >= described_ + kBetweenDescriptions) {
    const Load now = load();
    description_ = scoreboard::describe_load(*board_, now.busy, threads_of(now));
    described_ = Clock::now();
  }
  return description_;
}

}  // namespace wsgix::httpd

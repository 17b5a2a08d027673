// SPDX-License-Identifier: Apache-2.0
#include "overload.hpp"

#include <fmt/format.h>

#include "wsgix/scoreboard/waiting.hpp"
#include "wsgix/scoreboard/words.hpp"

namespace wsgix::host {
namespace {

/// A short queue is how a group that is well used looks.
constexpr seconds kLongWait{1};
constexpr seconds kBetweenLines{10};
constexpr seconds kBetweenStacks{60};

struct Load {
  unsigned busy = 0;
  unsigned threads = 0;
};

Load load_of(const Workers& workers, const scoreboard::Board& board, int threads_per_worker) {
  Load load;
  for (const auto& [id, worker] : workers) {
    const scoreboard::WorkerSlot& slot = board.workers[worker.slot];
    if (slot.state.load() != scoreboard::WorkerState::Ready) continue;
    load.busy += slot.busy.load();
    load.threads += static_cast<unsigned>(threads_per_worker);
  }
  return load;
}

}  // namespace

bool Overload::look(const Workers& workers) {
  const auto now = Clock::now();
  if (now < next_line_) return false;
  const Load load = load_of(workers, board_, daemon_.threads);
  if (load.threads == 0 || load.busy < load.threads) return false;
  const auto long_ago = scoreboard::now_us() - std::chrono::microseconds(kLongWait).count();
  if (scoreboard::waiting_requests(board_, long_ago).count == 0) return false;

  next_line_ = now + kBetweenLines;
  log_.write(LogLevel::Error,
             Error{ErrorCode::GroupOverloaded,
                   fmt::format("group '{}': {}", daemon_.name,
                               scoreboard::describe_load(board_, load.busy, load.threads))});
  if (now < next_stacks_) return false;
  next_stacks_ = now + kBetweenStacks;
  return true;
}

}  // namespace wsgix::host

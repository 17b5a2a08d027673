// SPDX-License-Identifier: Apache-2.0
// scoreboard/threads.hpp: which request each serving thread runs, and since when.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "wsgix/scoreboard/scoreboard.hpp"

namespace wsgix::scoreboard {

/// The slot of the calling thread while it lives. Without a free one nothing is shown.
class HeldThreadSlot {
 public:
  HeldThreadSlot(Board& board, std::uint32_t pid, std::uint32_t thread_id) noexcept;
  HeldThreadSlot(const HeldThreadSlot&) = delete;
  HeldThreadSlot& operator=(const HeldThreadSlot&) = delete;
  ~HeldThreadSlot();

  /// `target` is cut to what fits. `deadline_us`: 0 for none.
  void begin(std::uint64_t request, std::string_view method, std::string_view target,
             std::int64_t deadline_us) noexcept;
  void show_phase(ThreadPhase phase) noexcept;
  void end() noexcept;

 private:
  ThreadSlot* slot_ = nullptr;
};

struct RunningRequest {
  std::uint32_t pid;
  std::uint32_t thread_id;
  std::uint64_t id;
  ThreadPhase phase;
  std::int64_t since_us;
  std::int64_t phase_us;
  std::int64_t deadline_us;
  std::string text;  ///< printable: other bytes are '?'
};

/// Of that worker, or with 0 of all; the longest first.
std::vector<RunningRequest> running_requests(const Board& board, std::uint32_t pid = 0);
/// A worker has ended and cannot do it itself.
void free_threads_of(Board& board, std::uint32_t pid) noexcept;

}  // namespace wsgix::scoreboard

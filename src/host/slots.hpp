// SPDX-License-Identifier: Apache-2.0
// host/slots.hpp: which places of the scoreboard this host's workers hold.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>

#include "wsgix/scoreboard/scoreboard.hpp"

namespace wsgix::host {

/// Another host of the same group may use the board at the same time: the one that retires.
class Slots {
 public:
  explicit Slots(scoreboard::Board& board) noexcept : board_(board) {}

  /// Takes back what workers hold that no longer exist: a host that was killed could not.
  void reclaim_from_the_dead() noexcept;
  /// nullopt when all are taken.
  std::optional<std::uint32_t> take() noexcept;
  void show(std::uint32_t slot, pid_t pid, scoreboard::WorkerState state,
            std::uint32_t generation) noexcept;
  void free(std::uint32_t slot) noexcept;
  void count_ready() noexcept;

 private:
  scoreboard::Board& board_;
};

}  // namespace wsgix::host

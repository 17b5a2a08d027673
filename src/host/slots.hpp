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
  /// To be made by the process that uses it.
  explicit Slots(scoreboard::Board& board) noexcept;

  /// Takes back what workers hold that no longer exist: a host that was killed could not.
  void reclaim_from_the_dead() noexcept;
  /// Held by the caller itself until show(). nullopt when all are taken.
  std::optional<std::uint32_t> take() noexcept;
  void show(std::uint32_t slot, pid_t pid, scoreboard::WorkerState state,
            std::uint32_t generation) noexcept;
  /// Does nothing unless it is still held by that process.
  void free(std::uint32_t slot, std::uint32_t holder) noexcept;
  void show_totals() noexcept;

 private:
  scoreboard::Board& board_;
  std::uint32_t self_;
};

}  // namespace wsgix::host

// SPDX-License-Identifier: Apache-2.0
// host/slots.hpp: which slots of the scoreboard this host's workers hold.
#pragma once

#include <sys/types.h>

#include <bitset>
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
  /// Held by the caller itself until show(). One that the board shows as free, else any that is not
  /// this host's: what the application writes there must not keep a worker from being started.
  /// nullopt when this host has all.
  std::optional<std::uint32_t> take() noexcept;
  void show(std::uint32_t slot, pid_t pid, scoreboard::WorkerState state,
            std::uint32_t generation) noexcept;
  /// Does nothing unless it is still held by that process.
  void free(std::uint32_t slot, std::uint32_t holder) noexcept;
  void show_totals() noexcept;

 private:
  void clear(std::uint32_t slot) noexcept;

  scoreboard::Board& board_;
  std::uint32_t self_;
  std::bitset<scoreboard::kWorkerSlots> mine_;
};

}  // namespace wsgix::host

// SPDX-License-Identifier: Apache-2.0
#include "wsgix/supervisor/lifecycle.hpp"

#include <iterator>

namespace wsgix::supervisor {
namespace {

// Zero means impossible, so a cell someone forgets to fill is refused, not obeyed.
enum class Cell : std::uint8_t { Impossible = 0, Starting, Ready, Draining, Killed };
using enum Cell;

// clang-format off
constexpr Cell kNext[][3] = {
    //               SaidReady   AskedToRetire  KillDecided
    /* Starting */ { Ready,      Draining,      Killed },
    /* Ready    */ { Impossible, Draining,      Killed },
    /* Draining */ { Draining,   Draining,      Killed },
    /* Killed   */ { Killed,     Killed,        Killed },
};
// clang-format on
static_assert(std::size(kNext) == static_cast<std::size_t>(State::Killed) + 1);

}  // namespace

std::optional<State> next(State state, Event event) noexcept {
  const Cell cell = kNext[static_cast<std::size_t>(state)][static_cast<std::size_t>(event)];
  if (cell == Impossible) return std::nullopt;
  return static_cast<State>(static_cast<std::uint8_t>(cell) - 1);
}

std::string_view to_string(State state) noexcept {
  switch (state) {
    case State::Starting: return "starting";
    case State::Ready: return "ready";
    case State::Draining: return "draining";
    case State::Killed: return "killed";
  }
  return "corrupt";
}

}  // namespace wsgix::supervisor

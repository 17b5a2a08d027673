// SPDX-License-Identifier: Apache-2.0
#include "wsgix/supervisor/lifecycle.hpp"

#include <iterator>

namespace wsgix::supervisor {
namespace {

// Zero means impossible, so a cell someone forgets to fill is refused, not obeyed.
enum class Cell : std::uint8_t { Impossible = 0, Starting, Ready, Draining, Killed, Gone };
using enum Cell;

// clang-format off
constexpr Cell kNext[][4] = {
    //               SaidReady   AskedToRetire  DeadlinePassed  ProcessExited
    /* Starting */ { Ready,      Draining,      Killed,         Gone },
    /* Ready    */ { Impossible, Draining,      Draining,       Gone },
    /* Draining */ { Draining,   Draining,      Killed,         Gone },
    /* Killed   */ { Killed,     Killed,        Killed,         Gone },
    /* Gone     */ { Impossible, Gone,          Gone,           Impossible },
};
// clang-format on
static_assert(std::size(kNext) == static_cast<std::size_t>(State::Gone) + 1);

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
    case State::Gone: return "gone";
  }
  return "corrupt";
}

}  // namespace wsgix::supervisor

// SPDX-License-Identifier: Apache-2.0
#include "wsgix/supervisor/succession.hpp"

#include <iterator>
#include <utility>

namespace wsgix::supervisor {
namespace {

using enum Succession::State;

// Who was never ready makes way for a newer host, unless nobody but its workers serves.
// clang-format off
constexpr Succession::State kNext[][5] = {
    //               PredecessorEnded  AllReady   Overtaken  OvertakenAtWork  AskedToEnd
    /* First    */ { First,            Serving,   Retiring,  First,           Retiring },
    /* Waiting  */ { First,            Serving,   Retiring,  Retiring,        Retiring },
    /* Serving  */ { Serving,          Serving,   Serving,   Serving,         Retiring },
    /* Retiring */ { Retiring,         Retiring,  Retiring,  Retiring,        Retiring },
};
// clang-format on
static_assert(std::size(kNext) == static_cast<std::size_t>(Retiring) + 1);

}  // namespace

bool Succession::on_event(Event event) noexcept {
  if (event == Event::Overtaken || event == Event::OvertakenAtWork) is_superseded_ = true;
  const State to = kNext[static_cast<std::size_t>(state_)][static_cast<std::size_t>(event)];
  return std::exchange(state_, to) != to;
}

std::string_view to_string(Succession::State state) noexcept {
  switch (state) {
    case First: return "first";
    case Waiting: return "waiting";
    case Serving: return "serving";
    case Retiring: return "retiring";
  }
  return "corrupt";
}

}  // namespace wsgix::supervisor

// SPDX-License-Identifier: Apache-2.0
// supervisor/lifecycle.hpp: the life of one worker, as its supervisor sees it.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace wsgix::supervisor {

/// One that has ended is no worker any more.
enum class State : std::uint8_t { Starting, Ready, Draining, Killed };
enum class Event : std::uint8_t { SaidReady, AskedToRetire, KillDecided };

/// Where the event leads, or nullopt when it cannot happen in that state.
std::optional<State> next(State state, Event event) noexcept;

std::string_view to_string(State state) noexcept;

}  // namespace wsgix::supervisor

// SPDX-License-Identifier: Apache-2.0
// httpd/lost_worker.hpp: why a worker went away in the middle of a request, in words.
#pragma once

#include <string>

#include "wsgix/scoreboard/scoreboard.hpp"

namespace wsgix::httpd {

/// Waits a moment for the supervisor to write down how that process ended.
std::string explain_loss(const scoreboard::Board& board, std::uint32_t pid);

}  // namespace wsgix::httpd

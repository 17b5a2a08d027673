// SPDX-License-Identifier: Apache-2.0
// scoreboard/words.hpp: what the board says about a group and its ends, for lines of a log.
#pragma once

#include <chrono>
#include <string>

#include "wsgix/scoreboard/scoreboard.hpp"

namespace wsgix::scoreboard {

/// "850 ms", "2.5 s" or "31 s".
std::string in_words(std::chrono::microseconds span);

/// How many of so many threads are busy, who waits, and what holds the threads. Walks the whole
/// board.
std::string describe_load(Board& board, unsigned busy, unsigned threads);

/// "was killed by signal 9 (SIGKILL): it exceeded memory-recycle=". `stuck`: the request that a
/// worker was running for longest, when it is known.
std::string describe(const Death& death, const std::string& stuck = {});

}  // namespace wsgix::scoreboard

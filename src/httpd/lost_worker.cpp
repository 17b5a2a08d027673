// SPDX-License-Identifier: Apache-2.0
#include "lost_worker.hpp"

#include <time.h>

#include <optional>

#include "wsgix/scoreboard/threads.hpp"
#include "wsgix/scoreboard/words.hpp"

namespace wsgix::httpd {
namespace {

constexpr int kLooks = 30;
constexpr timespec kBetweenLooks{0, 10'000'000};

}  // namespace

std::string explain_loss(const scoreboard::Board& board, std::uint32_t pid) {
  if (pid == 0) return "the connection was closed before the worker named itself";
  const std::string subject = "worker pid " + std::to_string(pid) + " ";
  // Now: its places on the board are taken back when its end has been written down.
  const auto running = scoreboard::running_requests(board, pid);
  const std::string stuck = running.empty() ? std::string() : running.front().text;
  for (int look = 0; look < kLooks; ++look) {
    if (const std::optional<scoreboard::Death> death = scoreboard::find_death(board, pid)) {
      return subject + scoreboard::describe(*death, stuck);
    }
    ::nanosleep(&kBetweenLooks, nullptr);
  }
  return subject + "closed the connection";
}

}  // namespace wsgix::httpd

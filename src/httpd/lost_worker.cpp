// SPDX-License-Identifier: Apache-2.0
#include "lost_worker.hpp"

#include <time.h>

#include <optional>

#include "wsgix/os/child.hpp"

namespace wsgix::httpd {
namespace {

constexpr int kLooks = 30;
constexpr timespec kBetweenLooks{0, 10'000'000};

}  // namespace

std::string explain_loss(const scoreboard::Board& board, std::uint32_t pid) {
  if (pid == 0) return "the connection was closed before the worker named itself";
  const std::string subject = "worker pid " + std::to_string(pid) + " ";
  for (int look = 0; look < kLooks; ++look) {
    if (const std::optional<scoreboard::Death> death = scoreboard::find_death(board, pid)) {
      std::string text = subject + os::describe_end(death->wait_status);
      if (death->reason != scoreboard::EndReason::None) {
        text.append(" (").append(scoreboard::to_string(death->reason)).append(")");
      }
      return text;
    }
    ::nanosleep(&kBetweenLooks, nullptr);
  }
  return subject + "closed the connection";
}

}  // namespace wsgix::httpd

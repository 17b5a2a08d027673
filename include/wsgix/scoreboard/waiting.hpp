// SPDX-License-Identifier: Apache-2.0
// scoreboard/waiting.hpp: the requests that wait for a worker with a free thread.
#pragma once

#include <cstdint>
#include <limits>

#include "wsgix/scoreboard/scoreboard.hpp"

namespace wsgix::scoreboard {

/// Shows one waiting request while it lives. Without a free place it is not counted.
class WaitPlace {
 public:
  WaitPlace(Board& board, std::uint32_t pid) noexcept;
  WaitPlace(const WaitPlace&) = delete;
  WaitPlace& operator=(const WaitPlace&) = delete;
  ~WaitPlace();

  std::int64_t since_us() const noexcept { return since_us_; }

 private:
  WaitSlot* slot_ = nullptr;
  const std::int64_t since_us_;
};

struct Waiting {
  std::uint32_t count = 0;
  std::int64_t oldest_us = 0;  ///< when it began to wait; 0: none waits
};
/// Those that began to wait before that time. Takes back what httpd children have left behind that
/// no longer exist.
Waiting waiting_requests(
    Board& board, std::int64_t before_us = std::numeric_limits<std::int64_t>::max()) noexcept;

}  // namespace wsgix::scoreboard

// SPDX-License-Identifier: Apache-2.0
// scoreboard/waiting.hpp: the requests that wait for a worker with a free thread.
#pragma once

#include <cstdint>

#include "wsgix/scoreboard/scoreboard.hpp"

namespace wsgix::scoreboard {

/// Shows one waiting request while it lives. Without a free place it is not counted.
class WaitPlace {
 public:
  WaitPlace(Board& board, std::uint32_t pid) noexcept;
  WaitPlace(const WaitPlace&) = delete;
  WaitPlace& operator=(const WaitPlace&) = delete;
  ~WaitPlace();

 private:
  WaitSlot* slot_ = nullptr;
};

struct Waiting {
  std::uint32_t count = 0;
  std::int64_t oldest_us = 0;  ///< when it began to wait; 0: none waits
};
/// Takes back what httpd children have left behind that no longer exist.
Waiting waiting_requests(Board& board) noexcept;

}  // namespace wsgix::scoreboard

// SPDX-License-Identifier: Apache-2.0
// httpd/connections.hpp: one child's idle connections to the workers of one group.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "groups.hpp"
#include "wsgix/base/clock.hpp"
#include "wsgix/channel/channel.hpp"
#include "wsgix/scoreboard/scoreboard.hpp"

namespace wsgix::httpd {

/// A conversation with one worker; used by one request at a time.
struct Connection {
  explicit Connection(UniqueFd socket) : channel(std::move(socket)) {}

  channel::Channel channel;
  bool is_new = true;  ///< Hello has not been sent
  bool welcomed = false;
  wire::Welcome worker;  ///< when welcomed
  std::int64_t welcomed_us = 0;
};

class GroupClient {
 public:
  GroupClient(const Group& group, scoreboard::Mapping board, std::size_t most_idle)
      : group_(group), board_(std::move(board)), most_idle_(most_idle) {
    idle_.reserve(most_idle);
  }

  const Group& group() const noexcept { return group_; }
  scoreboard::Board& board() const noexcept { return *board_; }

  /// The idle connection whose worker has least to do, the latest used one among equals; empty
  /// when there is none, when another worker has nothing to do and this one has, or when somebody
  /// has waited so long that nobody may overtake.
  std::unique_ptr<Connection> take_idle();
  /// For longer than a busy group's usual wait. A moment old.
  bool somebody_waits_long() noexcept;
  void give_back(std::unique_ptr<Connection> connection);

  struct Load {
    unsigned busy = 0;
    unsigned ready_workers = 0;
  };
  /// A hint from the scoreboard.
  Load load() const noexcept;
  /// No thread is free, as far as the scoreboard knows.
  bool is_busy() const noexcept;
  bool is_paused() const noexcept;
  /// What holds the threads and who waits, for messages. A moment old when many ask.
  std::string describe_load();

 private:
  std::uint32_t busy_of(const Connection& connection) const noexcept;
  bool somebody_is_free() const noexcept;
  std::size_t used_slots() const noexcept;
  unsigned threads_of(const Load& load) const noexcept;

  const Group& group_;
  scoreboard::Mapping board_;
  const std::size_t most_idle_;
  std::mutex mutex_;  ///< guards idle_
  std::vector<std::unique_ptr<Connection>> idle_;

  std::atomic<std::int64_t> next_look_at_waiting_us_ = 0;
  std::atomic<bool> waits_long_ = false;  ///< as it was at the last look

  std::mutex description_mutex_;  ///< guards description_ and described_
  std::string description_;
  Clock::time_point described_{};
};

}  // namespace wsgix::httpd

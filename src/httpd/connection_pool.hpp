// SPDX-License-Identifier: Apache-2.0
// httpd/connection_pool.hpp: one child's idle connections to the workers of one group.
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
#include "wsgix/scoreboard/waiting.hpp"

namespace wsgix::httpd {

/// To one worker; used by one request at a time.
struct Connection {
  Connection(UniqueFd socket, std::size_t most_head_bytes)
      : channel(std::move(socket), channel::Descriptors::WithFiles) {
    channel.limit_heads(most_head_bytes);
  }
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;
  ~Connection() { channel.abandon(); }

  /// The worker names itself. Fails with MalformedFrame.
  Result<void> welcome(std::string_view payload);
  /// It has died, and all that it had said before has been read.
  bool worker_has_died(const scoreboard::Board& board) const;

  channel::Channel channel;
  bool is_new = true;    ///< Hello has not been sent
  wire::Welcome worker;  ///< once it has said so
  std::int64_t welcomed_us = 0;
};

class ConnectionPool {
 public:
  ConnectionPool(const Group& group, scoreboard::Mapping board, std::size_t most_idle)
      : group_(group), board_(std::move(board)), most_idle_(most_idle) {
    idle_.reserve(most_idle);
  }

  const Group& group() const noexcept { return group_; }
  scoreboard::Board& board() const noexcept { return *board_; }

  /// The idle connection whose worker has least to do, the latest used one among equals; empty
  /// when there is none, when another worker has nothing to do and this one has, or when somebody
  /// has waited so long that nobody may overtake.
  std::unique_ptr<Connection> take_idle();
  /// Who may ask for a thread, as it was a moment ago.
  scoreboard::Turn turn();
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
  // As they were at the last look.
  std::atomic<bool> somebody_waits_long_ = false;
  std::atomic<std::int64_t> last_in_turn_us_ = scoreboard::kEverybodysTurn;

  std::mutex description_mutex_;  ///< guards description_ and described_
  std::string description_;
  Clock::time_point described_{};
};

}  // namespace wsgix::httpd

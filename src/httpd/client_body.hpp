// SPDX-License-Identifier: Apache-2.0
// httpd/client_body.hpp: the client's request body, piece by piece.
#pragma once

#include <cstdint>
#include <string_view>

#include "httpd_api.hpp"
#include "wsgix/os/spool.hpp"

namespace wsgix::httpd {

struct BodyFacts {
  bool has_body = false;
  std::int64_t content_length = -1;
  /// All of the body, in the request's pool; nullptr: it is still to come from the client.
  os::Spool* received = nullptr;
};

class ClientBody {
 public:
  enum class State : std::uint8_t {
    Data,
    WouldWait,  ///< only without may_wait
    End,
    ClientGone,
    TooSlow,    ///< 408
    TooLarge,   ///< 413
    Malformed,  ///< 400
    Answered,   ///< httpd has sent an error response itself
  };
  struct Piece {
    State state;
    std::string_view data;  ///< for Data; valid until the next read or skip
  };

  explicit ClientBody(request_rec& r, os::Spool* received = nullptr);
  ~ClientBody();
  ClientBody(const ClientBody&) = delete;
  ClientBody& operator=(const ClientBody&) = delete;

  /// Data that is left of the current piece comes first. With `may_wait` it waits up to httpd's
  /// Timeout for the client. Every state from End on is final.
  Piece read(bool may_wait);
  /// Sends "100 Continue" to a client that waits for it and has got no response yet. httpd does it
  /// by itself only for reads that wait.
  void invite();
  /// That many bytes of the last piece have been used.
  void consume(std::size_t bytes) noexcept;
  /// httpd has sent an error response itself: nothing of ours may follow.
  bool was_answered() const noexcept { return state_ == State::Answered; }
  /// The client took too long.
  void give_up() noexcept { state_ = State::TooSlow; }
  /// Nothing more will come, whether or not read() has said so yet.
  bool has_ended() const noexcept;

 private:
  Piece next_received();
  Piece next_bucket();
  bool fill(bool may_wait);
  void finish(apr_status_t status);

  request_rec& r_;
  os::Spool* received_;  ///< instead of the client
  apr_bucket_brigade* brigade_;
  std::size_t piece_bytes_ = 0;  ///< of received_: dropped when rest_ has been used up
  std::string_view rest_;
  State state_ = State::Data;
};

/// The HTTP status that tells the client about it; 0 for states that are no failure of the body.
int status_for(ClientBody::State state) noexcept;

}  // namespace wsgix::httpd

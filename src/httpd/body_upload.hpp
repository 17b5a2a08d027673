// SPDX-License-Identifier: Apache-2.0
// httpd/body_upload.hpp: a client's body on its way to the workers of a group. Daemon mode.
#pragma once

#include <cstdint>
#include <optional>

#include "client_body.hpp"
#include "wsgix/channel/channel.hpp"
#include "wsgix/os/spool.hpp"
#include "wsgix/relay/attempt.hpp"

namespace wsgix::httpd {

/// Small bodies travel with the head and are kept until a worker has started, so that no request is
/// lost to Busy or Closing. Larger ones wait for WantBody, which proves that it has.
class BodyUpload {
 public:
  using State = ClientBody::State;

  /// `most_buffered`: request-buffering=, bytes.
  BodyUpload(request_rec& r, BodyFacts facts, std::int64_t most_buffered);

  /// Before a worker is asked: a slow client holds a thread of httpd, none of Python. Data and End:
  /// as much as wanted is here; any other state is the client's failure.
  State buffer();

  /// How the next attempt begins: everything is due once more.
  relay::Upload begin_attempt() noexcept {
    forwarded_ = 0;
    return start_;
  }
  struct Forwarded {
    State state;               ///< End: RequestEnd is queued. Data: the batch is full
    bool client_sent = false;  ///< some of it came from the client just now
  };
  /// Queues what is stored and what has come. `keeps`: what comes from the client may be needed by
  /// another attempt. Fails with SpoolFailed.
  Result<Forwarded> forward(channel::Channel& channel, bool keeps);
  /// The worker reads: a client that waits for "100 Continue" is told so.
  void invite() { body_.invite(); }
  /// The client took too long.
  void give_up() noexcept { body_.give_up(); }

  /// Nothing can be forwarded before the client sends more.
  bool waits_for_client() const noexcept;
  /// The client has no more to send: it may close its sending direction, rightly.
  bool client_has_finished() const noexcept { return !facts_.has_body || body_.has_ended(); }
  /// False: a worker may have got bytes that there was no room to keep.
  bool can_be_repeated() const noexcept { return unrepeatable_bytes_ == 0; }

 private:
  void start_with(bool awaits_worker) noexcept;

  request_rec& r_;
  const BodyFacts facts_;
  const std::int64_t most_buffered_;
  ClientBody body_;
  relay::Upload start_ = relay::Upload::None;  ///< of each attempt
  os::Spool stored_;                           ///< the start of the body, or all
  std::uint64_t forwarded_ = 0;  ///< so much of stored_ is queued or sent in this attempt
  std::uint64_t unrepeatable_bytes_ = 0;
};

/// nullopt: no failure.
std::optional<relay::BodyFailure> failure_of(ClientBody::State state) noexcept;

}  // namespace wsgix::httpd

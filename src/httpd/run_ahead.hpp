// SPDX-License-Identifier: Apache-2.0
// httpd/run_ahead.hpp: a response that may run ahead of its client, so that a slow one does not
// hold the worker. Daemon mode.
#pragma once

#include <cstdint>
#include <string_view>

#include "response.hpp"
#include "wsgix/base/clock.hpp"
#include "wsgix/os/spool.hpp"

namespace wsgix::httpd {

/// Stands before a Response. While the client's socket takes it, every block goes on at once; what
/// it does not take now waits in a spool, in order.
class RunAhead {
 public:
  /// Without a socket to look at, or with limit 0, everything goes on at once and waits there.
  RunAhead(request_rec& r, Response& response, int client_socket, std::int64_t limit);

  /// Something waits until the client's socket is writable: then feed().
  bool is_behind() const noexcept { return waits_ || !spool_.empty(); }
  /// No more body() until it has been fed. One more block than the limit may be held.
  bool is_full() const noexcept { return is_on() && spool_.size() >= limit_; }
  /// When the client took something last, while it is behind.
  Clock::time_point stalled_since() const noexcept { return stalled_since_; }

  // False when the client has gone. They fail with SpoolFailed.
  Result<bool> body(std::string_view data);
  bool flush();
  /// Passes on what the client takes now.
  Result<bool> feed();
  /// Passes on everything, waiting for the client.
  Result<bool> drain();

 private:
  bool is_on() const noexcept { return socket_ >= 0 && limit_ != 0; }
  std::size_t room() noexcept;
  bool pass(std::string_view data);
  Result<bool> keep(std::string_view data);

  request_rec& r_;
  Response& response_;
  int socket_;
  std::uint64_t limit_;
  os::Spool spool_;
  bool waits_ = false;  ///< the response holds a few bytes that the client could not take
  Clock::time_point stalled_since_;
};

}  // namespace wsgix::httpd

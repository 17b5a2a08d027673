// SPDX-License-Identifier: Apache-2.0
// httpd/client_socket.hpp: whether the client is still there, without reading anything from it.
#pragma once

#include <poll.h>

#include "httpd_api.hpp"
#include "wsgix/base/clock.hpp"

namespace wsgix::httpd {

// Hanging up one direction is a Linux event; elsewhere only a full close is noticed.
#ifdef POLLRDHUP
inline constexpr short kHangup = POLLRDHUP;
#else
inline constexpr short kHangup = 0;
#endif
inline constexpr short kBroken = POLLERR | POLLHUP | POLLNVAL;

/// -1 for a stream of HTTP/2, which has no socket of its own to poll.
int client_socket_of(const request_rec& r);

/// Never waits. A client that `may_finish_sending` closes its sending direction rightly: then
/// only the end of both directions counts.
bool has_hung_up(int socket, bool may_finish_sending) noexcept;

/// poll(2) that also keeps deadlines of less than a millisecond: streams have no socket to wake us.
int poll_until(Deadline deadline, pollfd* polled, nfds_t count);

/// While it lives, a write to the client that does not get on is given up after `limit`; zero:
/// after httpd's own Timeout. A stream of HTTP/2 always has that one.
class ClientWriteLimit {
 public:
  ClientWriteLimit(const request_rec& r, Clock::duration limit);
  ~ClientWriteLimit();
  ClientWriteLimit(const ClientWriteLimit&) = delete;
  ClientWriteLimit& operator=(const ClientWriteLimit&) = delete;

 private:
  apr_socket_t* socket_ = nullptr;  ///< nullptr: nothing to restore
  apr_interval_time_t before_ = 0;
};

}  // namespace wsgix::httpd

// SPDX-License-Identifier: Apache-2.0
#include "client_socket.hpp"

#include <time.h>

namespace wsgix::httpd {

int client_socket_of(const request_rec& r) {
  if (r.connection->master != nullptr) return -1;
  apr_socket_t* socket = ap_get_conn_socket(r.connection);
  apr_os_sock_t number = -1;
  if (socket == nullptr || apr_os_sock_get(&number, socket) != APR_SUCCESS) return -1;
  return number;
}

int poll_until(Deadline deadline, pollfd* polled, nfds_t count) {
  const auto left = deadline - Clock::now();
  if (left <= Clock::duration::zero() || left >= milliseconds{1}) {
    return ::poll(polled, count, poll_timeout(deadline));
  }
  const timespec rest{0, std::chrono::nanoseconds(left).count()};
  ::nanosleep(&rest, nullptr);
  return ::poll(polled, count, 0);
}

ClientWriteLimit::ClientWriteLimit(const request_rec& r, Clock::duration limit) {
  if (limit == Clock::duration::zero() || r.connection->master != nullptr) return;
  apr_socket_t* const socket = ap_get_conn_socket(r.connection);
  if (socket == nullptr || apr_socket_timeout_get(socket, &before_) != APR_SUCCESS) return;
  const auto span = std::chrono::duration_cast<std::chrono::microseconds>(limit).count();
  // Without a limit of its own the socket does not wait at all, and that is somebody's intention.
  if (before_ <= 0 || before_ == span) return;
  if (apr_socket_timeout_set(socket, span) == APR_SUCCESS) socket_ = socket;
}

ClientWriteLimit::~ClientWriteLimit() {
  if (socket_ != nullptr) apr_socket_timeout_set(socket_, before_);
}

bool has_hung_up(int socket, bool may_finish_sending) noexcept {
  const short hangup = may_finish_sending ? 0 : kHangup;
  pollfd polled{socket, hangup, 0};
  return ::poll(&polled, 1, 0) > 0 && (polled.revents & (hangup | kBroken)) != 0;
}

}  // namespace wsgix::httpd

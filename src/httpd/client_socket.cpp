// SPDX-License-Identifier: Apache-2.0
#include "client_socket.hpp"

namespace wsgix::httpd {

int client_socket_of(const request_rec& r) {
  if (r.connection->master != nullptr) return -1;
  apr_socket_t* socket = ap_get_conn_socket(r.connection);
  apr_os_sock_t number = -1;
  if (socket == nullptr || apr_os_sock_get(&number, socket) != APR_SUCCESS) return -1;
  return number;
}

bool has_hung_up(int socket, bool may_finish_sending) noexcept {
  const short hangup = may_finish_sending ? 0 : kHangup;
  pollfd polled{socket, hangup, 0};
  return ::poll(&polled, 1, 0) > 0 && (polled.revents & (hangup | kBroken)) != 0;
}

}  // namespace wsgix::httpd

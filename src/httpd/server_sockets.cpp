// SPDX-License-Identifier: Apache-2.0
#include "server_sockets.hpp"

#include <sys/socket.h>

#include <cstdint>

#include "wsgix/base/own_descriptors.hpp"

namespace wsgix::httpd {
namespace {

/// Listeners are opened first and have low numbers; there may be one for each of many processors
/// (ListenCoresBucketsRatio), and httpd names only the first ones.
constexpr int kHighestListener = 4096;

bool listens(int fd) noexcept {
  int answer = 0;
  socklen_t size = sizeof answer;
  return ::getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &answer, &size) == 0 && answer != 0;
}

struct Client {
  int socket;
  std::uint64_t added;
};

apr_status_t forget_client(void* registered) noexcept {
  const Client& client = *static_cast<const Client*>(registered);
  own_descriptors::return_borrowed(client.socket, client.added);
  return APR_SUCCESS;
}

}  // namespace

void remember_listeners() noexcept {
  for (int fd = 0; fd < kHighestListener; ++fd) {
    if (listens(fd)) own_descriptors::add_borrowed(fd);
  }
}

int remember_client(conn_rec* connection, void* socket) noexcept {
  // A stream of HTTP/2 has no socket of its own.
  if (connection->master != nullptr || socket == nullptr) return OK;
  apr_os_sock_t number = -1;
  if (apr_os_sock_get(&number, static_cast<apr_socket_t*>(socket)) != APR_SUCCESS) return OK;
  const std::uint64_t added = own_descriptors::add_borrowed(number);
  auto* const client = static_cast<Client*>(apr_palloc(connection->pool, sizeof(Client)));
  *client = {number, added};
  apr_pool_cleanup_register(connection->pool, client, forget_client, apr_pool_cleanup_null);
  return OK;
}

}  // namespace wsgix::httpd

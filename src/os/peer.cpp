// SPDX-License-Identifier: Apache-2.0
#include "wsgix/os/peer.hpp"

#include <sys/socket.h>

#include <cerrno>

namespace wsgix::os {

Result<Peer> peer_of(int socket) {
  ucred credentials{};
  socklen_t size = sizeof credentials;
  if (::getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &credentials, &size) != 0) {
    return failed(ErrorCode::SocketFailed, "ask who is at the other end of a socket", errno);
  }
  return Peer{credentials.pid, credentials.uid, credentials.gid};
}

}  // namespace wsgix::os

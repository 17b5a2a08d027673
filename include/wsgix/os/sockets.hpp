// SPDX-License-Identifier: Apache-2.0
// os/sockets.hpp: what the kernel says about a socket and its other end, and how to let go of one
// that somebody has passed to us.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <cstdint>

#include "wsgix/base/result.hpp"
#include "wsgix/base/unique_fd.hpp"

namespace wsgix::os {

struct Peer {
  pid_t pid;
  uid_t uid;
  gid_t gid;
};

/// The account that called connect(2), or listen(2) when asked about a listener's side.
Result<Peer> peer_of(int socket);

/// So many bytes can be written now without waiting for the peer, as far as the kernel tells; 0
/// when it is better to wait until the socket is writable. At most `most`. A broken socket has
/// room: writing to it is what reports the failure.
std::size_t socket_room(int socket, std::size_t most) noexcept;

/// SO_SNDBUF and SO_RCVBUF, bytes; zero: left as it is. The kernel takes what it may.
void set_buffer_sizes(int socket, std::int64_t send, std::int64_t receive) noexcept;

/// For any descriptor that another process has passed. close(2) waits for a socket's unsent bytes
/// when its last holder has asked for that (SO_LINGER), up to 18 hours: whoever passes one could
/// hold our thread so long. This never waits for a peer.
void close_without_waiting(UniqueFd descriptor) noexcept;

}  // namespace wsgix::os

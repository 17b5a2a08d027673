// SPDX-License-Identifier: Apache-2.0
// os/socket_room.hpp: how much a stream socket takes now.
#pragma once

#include <cstddef>

namespace wsgix::os {

/// So many bytes can be written now without waiting for the peer, as far as the kernel tells; 0
/// when it is better to wait until the socket is writable. At most `most`. A broken socket has
/// room: writing to it is what reports the failure.
std::size_t socket_room(int socket, std::size_t most) noexcept;

}  // namespace wsgix::os

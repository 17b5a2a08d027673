// SPDX-License-Identifier: Apache-2.0
#include "wsgix/os/socket_room.hpp"

#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cstdint>

namespace wsgix::os {
namespace {

/// What any socket takes that calls itself writable: it has a third of its buffer left.
constexpr std::size_t kLeastBytes = 4096;
/// Worth a write of its own.
constexpr std::size_t kGoodBytes = 16384;

#ifdef SO_MEMINFO
/// The kernel counts buffers, which are larger than what they hold: half of the room is safe.
std::size_t known_room(int socket) noexcept {
  // linux/sock_diag.h has these places; it does not go together with every libc's headers.
  constexpr std::size_t kSendBuffer = 3;
  constexpr std::size_t kQueued = 5;
  std::uint32_t counts[16] = {};
  socklen_t bytes = sizeof counts;
  if (::getsockopt(socket, SOL_SOCKET, SO_MEMINFO, counts, &bytes) != 0) return 0;
  if (bytes <= kQueued * sizeof counts[0] || counts[kSendBuffer] <= counts[kQueued]) return 0;
  return (counts[kSendBuffer] - counts[kQueued]) / 2;
}
#else
std::size_t known_room(int) noexcept { return 0; }
#endif

}  // namespace

std::size_t socket_room(int socket, std::size_t most) noexcept {
  const std::size_t known = known_room(socket);
  if (known < kGoodBytes) {
    pollfd entry{socket, POLLOUT, 0};
    if (::poll(&entry, 1, 0) <= 0) return 0;
  }
  return std::min(std::max(known, kLeastBytes), most);
}

}  // namespace wsgix::os

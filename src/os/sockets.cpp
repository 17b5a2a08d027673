// SPDX-License-Identifier: Apache-2.0
#include "wsgix/os/sockets.hpp"

#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <climits>
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

Result<Peer> peer_of(int socket) {
  ucred credentials{};
  socklen_t size = sizeof credentials;
  if (::getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &credentials, &size) != 0) {
    return failed(ErrorCode::SocketFailed, "ask who is at the other end of a socket", errno);
  }
  return Peer{credentials.pid, credentials.uid, credentials.gid};
}

std::size_t socket_room(int socket, std::size_t most) noexcept {
  const std::size_t known = known_room(socket);
  if (known < kGoodBytes) {
    pollfd entry{socket, POLLOUT, 0};
    if (::poll(&entry, 1, 0) <= 0) return 0;
  }
  return std::min(std::max(known, kLeastBytes), most);
}

void set_buffer_sizes(int socket, std::int64_t send, std::int64_t receive) noexcept {
  const auto set = [socket](int option, std::int64_t bytes) {
    if (bytes == 0) return;
    const int size = static_cast<int>(std::min<std::int64_t>(bytes, INT_MAX));
    (void)::setsockopt(socket, SOL_SOCKET, option, &size, sizeof size);
  };
  set(SO_SNDBUF, send);
  set(SO_RCVBUF, receive);
}

void close_without_waiting(UniqueFd descriptor) noexcept {
  struct stat info {};
  if (!descriptor || ::fstat(descriptor.get(), &info) != 0 || !S_ISSOCK(info.st_mode)) return;
  const linger at_once{1, 0};
  ::setsockopt(descriptor.get(), SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
  // The other holders may ask for the wait again: what is disconnected has nothing to send.
  sockaddr nobody{};
  nobody.sa_family = AF_UNSPEC;
  static_cast<void>(::connect(descriptor.get(), &nobody, sizeof nobody));
}

}  // namespace wsgix::os

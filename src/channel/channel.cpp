// SPDX-License-Identifier: Apache-2.0
#include "wsgix/channel/channel.hpp"

#include <fmt/format.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

namespace wsgix::channel {
namespace {

using wire::FrameType;
using wire::kHeaderBytes;

constexpr std::size_t kLargestIdleBufferBytes = 64 * 1024;
constexpr std::size_t kPieceBytes = 256 * 1024;  // measured: larger pieces gain nothing

Failed socket_failed(const char* call, int os_errno) {
  const bool closed = os_errno == EPIPE || os_errno == ECONNRESET;
  return failed(closed ? ErrorCode::PeerClosed : ErrorCode::SocketFailed, call, os_errno);
}

std::string_view header_text(const std::array<char, kHeaderBytes>& header) {
  return {header.data(), header.size()};
}

Result<bool> wait_for(int fd, short events, Deadline deadline) {
  pollfd entry{fd, events, 0};
  while (true) {
    const int ready = ::poll(&entry, 1, poll_timeout(deadline));
    if (ready > 0) return true;
    if (ready == 0 && deadline != kNever && Clock::now() >= deadline) return false;
    if (ready < 0 && errno != EINTR) return failed(ErrorCode::SocketFailed, "poll", errno);
  }
}

std::array<char, kHeaderBytes> header_of(FrameType type, std::size_t payload_bytes,
                                         std::uint64_t request) {
  return wire::encode_header({type, static_cast<std::uint32_t>(payload_bytes),
                              wire::belongs_to_request(type) ? request : 0});
}

}  // namespace

bool left_bytes_unread([[maybe_unused]] const Error& error) noexcept {
#ifdef __linux__
  return error.code == ErrorCode::PeerClosed && error.os_errno == ECONNRESET;
#else
  return false;
#endif
}

Result<bool> wait_readable(int fd, Deadline deadline) { return wait_for(fd, POLLIN, deadline); }
Result<bool> wait_writable(int fd, Deadline deadline) { return wait_for(fd, POLLOUT, deadline); }

Result<UniqueFd> connect_to(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() >= sizeof address.sun_path) {
    return failed(ErrorCode::CannotCreateSocket, fmt::format("socket path '{}' is too long", path));
  }
  std::memcpy(address.sun_path, path.data(), path.size());

  UniqueFd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!socket) return failed(ErrorCode::SocketFailed, "socket", errno);
  if (::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    const int os_errno = errno;
    return failed(ErrorCode::SocketFailed, fmt::format("connect to {}", path), os_errno);
  }
  return socket;
}

// ---- sending ----

void Channel::queue_header(FrameType type, std::size_t payload_bytes) {
  outgoing_.append(header_text(header_of(type, payload_bytes, request_)));
}

void Channel::queue(FrameType type, std::string_view payload) {
  queue_header(type, payload.size());
  outgoing_.append(payload);
}

std::size_t Channel::begin_frame() {
  const std::size_t start = outgoing_.size();
  outgoing_.append(kHeaderBytes, '\0');  // end_frame() knows the length
  return start;
}

Result<void> Channel::end_frame(std::size_t start, FrameType type, const Result<void>& encoded) {
  if (!encoded) {
    outgoing_.resize(start);
    return encoded;
  }
  const std::size_t payload_bytes = outgoing_.size() - start - kHeaderBytes;
  if (wire::is_head(type) && payload_bytes > most_head_bytes_) {
    outgoing_.resize(start);
    return failed(ErrorCode::FrameTooLarge,
                  fmt::format("{} of {} bytes exceeds {}", wire::to_string(type), payload_bytes,
                              most_head_bytes_));
  }
  if (payload_bytes > wire::kMaxPayloadBytes) {
    divide_head(start, type);
    return {};
  }
  outgoing_.replace(start, kHeaderBytes, header_text(header_of(type, payload_bytes, request_)));
  return {};
}

/// What does not fit into a frame goes before it as parts.
void Channel::divide_head(std::size_t start, FrameType type) {
  const std::string whole = outgoing_.substr(start + kHeaderBytes);
  outgoing_.resize(start);
  std::string_view rest = whole;
  for (; rest.size() > wire::kMaxPayloadBytes; rest.remove_prefix(wire::kMaxPayloadBytes)) {
    queue(FrameType::HeadPart, rest.substr(0, wire::kMaxPayloadBytes));
  }
  queue(type, rest);
}

/// One sendmsg(2) of the queue and then `extra`. False when the socket takes no more now.
Result<bool> Channel::write_some(std::string_view extra, std::size_t& extra_sent, int descriptor) {
  const std::size_t queued = queued_bytes();
  iovec parts[2] = {{outgoing_.data() + sent_, queued},
                    {const_cast<char*>(extra.data()) + extra_sent, extra.size() - extra_sent}};
  msghdr message{};
  message.msg_iov = queued != 0 ? parts : parts + 1;
  message.msg_iovlen = static_cast<std::size_t>(queued != 0) + (parts[1].iov_len != 0);

  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
  if (descriptor >= 0) {
    message.msg_control = control;
    message.msg_controllen = sizeof control;
    cmsghdr* part = CMSG_FIRSTHDR(&message);
    part->cmsg_level = SOL_SOCKET;
    part->cmsg_type = SCM_RIGHTS;
    part->cmsg_len = CMSG_LEN(sizeof(int));
    std::memcpy(CMSG_DATA(part), &descriptor, sizeof descriptor);
  }

  const ssize_t written = ::sendmsg(fd(), &message, MSG_NOSIGNAL | MSG_DONTWAIT);
  if (written < 0) {
    const int os_errno = errno;
    if (os_errno == EINTR) return true;
    if (os_errno == EAGAIN || os_errno == EWOULDBLOCK) return false;
    return socket_failed("sendmsg", os_errno);
  }
  const auto count = static_cast<std::size_t>(written);
  const std::size_t from_queue = std::min(count, queued);
  sent_ += from_queue;
  extra_sent += count - from_queue;
  if (sent_ == outgoing_.size()) {
    outgoing_.clear();
    sent_ = 0;
    if (outgoing_.capacity() > kLargestIdleBufferBytes) std::string().swap(outgoing_);
  }
  return true;
}

Result<bool> Channel::try_flush() {
  std::size_t none = 0;
  while (queued_bytes() != 0) {
    const Result<bool> wrote = write_some({}, none, -1);
    if (!wrote) return failed(wrote);
    if (!*wrote) return false;
  }
  return true;
}

Result<void> Channel::flush(Deadline deadline) {
  while (true) {
    const Result<bool> done = try_flush();
    if (!done) return failed(done);
    if (*done) return {};
    const Result<bool> ready = wait_writable(fd(), deadline);
    if (!ready) return failed(ready);
    if (!*ready) return failed(ErrorCode::DeadlinePassed, "the peer does not read");
  }
}

Result<void> Channel::send(FrameType type, std::string_view data, Deadline deadline) {
  while (!data.empty()) {
    const std::string_view piece = data.substr(0, kPieceBytes);
    data.remove_prefix(piece.size());
    queue_header(type, piece.size());

    std::size_t piece_sent = 0;
    while (queued_bytes() != 0 || piece_sent < piece.size()) {
      const Result<bool> wrote = write_some(piece, piece_sent, -1);
      if (!wrote) return failed(wrote);
      if (*wrote) continue;
      const Result<bool> ready = wait_writable(fd(), deadline);
      if (!ready) return failed(ready);
      if (!*ready) return failed(ErrorCode::DeadlinePassed, "the peer does not read");
    }
  }
  return {};
}

Result<void> Channel::send_file(int descriptor, const wire::ResponseFile& what, Deadline deadline) {
  // The queue first: the descriptor travels with the first byte of the message it is attached to.
  const Result<void> flushed = flush(deadline);
  if (!flushed) return flushed;
  const Result<void> queued = queue(FrameType::ResponseFile, what);
  if (!queued) return queued;

  const std::size_t frame_bytes = queued_bytes();
  std::size_t none = 0;
  while (queued_bytes() == frame_bytes) {
    const Result<bool> wrote = write_some({}, none, descriptor);
    if (!wrote) return failed(wrote);
    if (*wrote) continue;
    const Result<bool> ready = wait_writable(fd(), deadline);
    if (!ready) return failed(ready);
    if (!*ready) return failed(ErrorCode::DeadlinePassed, "the peer does not read");
  }
  return flush(deadline);
}

// ---- receiving ----

Result<Frame> Channel::receive(Deadline deadline) {
  while (true) {
    const Result<std::optional<Frame>> frame = try_receive();
    if (!frame) return failed(frame);
    if (*frame) return **frame;
    const Result<bool> ready = wait_readable(fd(), deadline);
    if (!ready) return failed(ready);
    if (!*ready) return failed(ErrorCode::DeadlinePassed, "the peer is silent");
  }
}

bool Channel::is_quiet() const noexcept { return incoming_.is_empty() && !has_news(); }

bool Channel::has_news() const noexcept {
  pollfd entry{fd(), POLLIN, 0};
  return ::poll(&entry, 1, 0) != 0;
}

void Channel::abandon() noexcept {
  if (!socket_) return;
  ::shutdown(fd(), SHUT_RDWR);
  incoming_.discard(fd());
}

bool Channel::peer_is_gone() const noexcept {
  pollfd entry{fd(), POLLRDHUP, 0};
  return ::poll(&entry, 1, 0) > 0 && (entry.revents & (POLLRDHUP | POLLHUP | POLLERR)) != 0;
}

}  // namespace wsgix::channel

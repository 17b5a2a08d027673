// SPDX-License-Identifier: Apache-2.0
// channel/channel.hpp: one conversation in frames over one UNIX stream socket.
//
// Knows frames and deadlines, not what they mean. Used by both ends. Not thread-safe: one thread
// at a time talks on a channel.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "wsgix/base/clock.hpp"
#include "wsgix/base/result.hpp"
#include "wsgix/base/unique_fd.hpp"
#include "wsgix/wire/frame.hpp"
#include "wsgix/wire/messages.hpp"

namespace wsgix::channel {

/// Valid until the next call of receive() or try_receive() on the same channel.
struct Frame {
  wire::FrameType type;
  std::string_view payload;
};

/// True for a failure that proves that the other end went without having read all that it was sent.
/// Linux alone tells (net/unix: unix_release_sock() resets the peer when its queue is not empty).
bool left_bytes_unread(const Error& error) noexcept;

/// Failures of every member: PeerClosed (end of file, EPIPE or ECONNRESET), DeadlinePassed,
/// SocketFailed, and those of wire::decode_header(). After one the channel is unusable.
class Channel {
 public:
  /// Takes a connected, non-blocking, close-on-exec AF_UNIX stream socket.
  explicit Channel(UniqueFd socket) noexcept : socket_(std::move(socket)) {}

  int fd() const noexcept { return socket_.get(); }

  // ---- sending: queue, then flush; a small conversation is one write ----

  /// Appends a frame whose payload is already bytes (at most wire::kMaxPayloadBytes).
  void queue(wire::FrameType type, std::string_view payload = {});
  /// Appends a frame and encodes the message right into the outgoing buffer.
  template <typename Message>
  requires requires(const Message& m, wire::Bytes& out) { wire::encode(m, out); }
  Result<void> queue(wire::FrameType type, const Message& message) {
    const std::size_t start = begin_frame();
    const Result<void> encoded = wire::encode(message, outgoing_);
    return end_frame(start, type, encoded);
  }
  std::size_t queued_bytes() const noexcept { return outgoing_.size() - sent_; }

  /// Writes what the socket takes now. True when nothing is left in the queue.
  Result<bool> try_flush();
  /// Writes everything, waiting for the peer to read.
  Result<void> flush(Deadline deadline);
  /// The queue, then `data` as frames of `type` in pieces of at most wire::kMaxPayloadBytes,
  /// without copying `data`.
  Result<void> send(wire::FrameType type, std::string_view data, Deadline deadline);
  /// The queue, then one ResponseFile frame with the descriptor. The descriptor stays the caller's.
  Result<void> send_file(int descriptor, const wire::ResponseFile& what, Deadline deadline);

  // ---- receiving ----

  /// A frame that is here whole, or nullopt when waiting would be needed.
  Result<std::optional<Frame>> try_receive();
  Result<Frame> receive(Deadline deadline);
  /// True when try_receive() would return a frame without a system call.
  bool has_buffered_frame() const noexcept;
  /// The descriptor that came with a ResponseFile frame, once; empty when the peer sent none.
  UniqueFd take_descriptor() noexcept { return std::move(received_fd_); }

  /// True when the peer has closed its end (looked up with a peek, never waits).
  bool peer_is_gone() const noexcept;

 private:
  std::size_t begin_frame();
  Result<void> end_frame(std::size_t start, wire::FrameType type, const Result<void>& encoded);
  Result<bool> read_more();
  Result<bool> write_some(std::string_view extra, std::size_t& extra_sent, int descriptor);
  void make_room(std::size_t payload_bytes);

  UniqueFd socket_;
  std::string outgoing_;
  std::size_t sent_ = 0;
  std::string incoming_;  ///< bytes [consumed_, filled_) are unread
  std::size_t filled_ = 0;
  std::size_t consumed_ = 0;
  UniqueFd received_fd_;
};

/// Waits until `fd` is readable (or writable), or the deadline. False on the deadline.
Result<bool> wait_readable(int fd, Deadline deadline);
Result<bool> wait_writable(int fd, Deadline deadline);

/// Connects to a group's listening socket; the result is non-blocking and close-on-exec.
/// EAGAIN (backlog full) and ECONNREFUSED are in Error::os_errno: the caller may retry.
Result<UniqueFd> connect_to(const std::string& path);

}  // namespace wsgix::channel

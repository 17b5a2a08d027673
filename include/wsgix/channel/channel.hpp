// SPDX-License-Identifier: Apache-2.0
// channel/channel.hpp: one conversation in frames over one UNIX stream socket.
//
// Knows frames and deadlines, not what they mean. Used by both ends. Not thread-safe: one thread
// at a time talks on a channel.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "wsgix/base/clock.hpp"
#include "wsgix/base/result.hpp"
#include "wsgix/base/unique_fd.hpp"
#include "wsgix/channel/incoming.hpp"
#include "wsgix/wire/frame.hpp"
#include "wsgix/wire/messages.hpp"

namespace wsgix::channel {

/// True for a failure that proves that the other end went without having read all that it was sent.
/// Linux alone tells (net/unix: unix_release_sock() resets the peer when its queue is not empty).
bool left_bytes_unread(const Error& error) noexcept;

/// Failures of every member: PeerClosed (end of file, EPIPE or ECONNRESET), DeadlinePassed,
/// SocketFailed, BadDescriptor, UnexpectedFrame (between the parts of a head), and those of
/// wire::decode_header(). After one the channel is unusable.
class Channel {
 public:
  /// Takes a connected, non-blocking, close-on-exec AF_UNIX stream socket.
  explicit Channel(UniqueFd socket, Descriptors descriptors = Descriptors::Refused) noexcept
      : socket_(std::move(socket)), incoming_(descriptors) {}

  int fd() const noexcept { return socket_.get(); }

  /// Frames that are queued or sent from now on belong to this request. What a received frame
  /// belongs to stands in it: the caller compares.
  void begin_request(std::uint64_t number) noexcept { request_ = number; }
  std::uint64_t request() const noexcept { return request_; }

  /// Of each received frame; wire::kMaxPayloadBytes at first.
  void limit_payload(std::size_t bytes) noexcept { incoming_.limit_payload(bytes); }
  /// Of a head with all its parts, both ways; wire::kMaxPayloadBytes at first.
  void limit_heads(std::size_t bytes) noexcept {
    most_head_bytes_ = bytes;
    incoming_.limit_heads(bytes);
  }

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

  /// A frame that is here whole, or nullopt when waiting would be needed. Its payload is valid
  /// until the next call of try_receive() or receive().
  Result<std::optional<Frame>> try_receive() { return incoming_.try_receive(fd()); }
  Result<Frame> receive(Deadline deadline);
  /// True when try_receive() would not begin with a system call.
  bool has_buffered_frame() const noexcept { return incoming_.has_buffered_frame(); }
  /// The regular file that came with a ResponseFile frame, once; empty when the peer sent none.
  UniqueFd take_descriptor() noexcept { return incoming_.take_descriptor(); }

  /// The peer has said nothing that was not received, and has not closed. Never waits.
  bool is_quiet() const noexcept;
  /// Bytes lie on the socket, or the peer has closed. Never waits.
  bool has_news() const noexcept;
  /// Ends both directions at once and takes what the peer has sent off the socket: it may be
  /// descriptors, and closing those would be up to the kernel, with all that they can wait for.
  void abandon() noexcept;

  /// True when the peer has closed its end (looked up with a peek, never waits).
  bool peer_is_gone() const noexcept;

 private:
  std::size_t begin_frame();
  Result<void> end_frame(std::size_t start, wire::FrameType type, const Result<void>& encoded);
  void divide_head(std::size_t start, wire::FrameType type);
  void queue_header(wire::FrameType type, std::size_t payload_bytes);
  Result<bool> write_some(std::string_view extra, std::size_t& extra_sent, int descriptor);

  UniqueFd socket_;
  std::uint64_t request_ = 0;
  std::size_t most_head_bytes_ = wire::kMaxPayloadBytes;
  std::string outgoing_;
  std::size_t sent_ = 0;
  Incoming incoming_;
};

/// Waits until `fd` is readable (or writable), or the deadline. False on the deadline.
Result<bool> wait_readable(int fd, Deadline deadline);
Result<bool> wait_writable(int fd, Deadline deadline);

/// Connects to a group's listening socket; the result is non-blocking and close-on-exec.
/// EAGAIN (backlog full) and ECONNREFUSED are in Error::os_errno: the caller may retry.
Result<UniqueFd> connect_to(const std::string& path);

}  // namespace wsgix::channel

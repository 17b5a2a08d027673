// SPDX-License-Identifier: Apache-2.0
// channel/incoming.hpp: the receiving half of a channel: bytes of an untrusted peer to frames.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "wsgix/base/result.hpp"
#include "wsgix/base/unique_fd.hpp"
#include "wsgix/wire/frame.hpp"

namespace wsgix::channel {

/// Valid until the next frame is received.
struct Frame {
  wire::FrameType type;
  std::uint64_t request;  ///< 0: about the connection itself
  std::string_view payload;
};

/// Whether a peer may pass descriptors: one regular file with each ResponseFile frame, or none.
enum class Descriptors : std::uint8_t { Refused, WithFiles };

/// Failures: those of Channel. After one it is unusable.
class Incoming {
 public:
  explicit Incoming(Descriptors descriptors) noexcept : descriptors_(descriptors) {}

  /// A frame that is here whole, or nullopt when waiting would be needed. A head that came in
  /// parts is one frame.
  Result<std::optional<Frame>> try_receive(int socket);
  /// True when try_receive() would not begin with a system call.
  bool has_buffered_frame() const noexcept;
  /// No byte and no descriptor has come that was not handed out.
  bool is_empty() const noexcept;
  UniqueFd take_descriptor() noexcept { return std::move(descriptor_); }

  /// Of each frame from now on.
  void limit_payload(std::size_t bytes) noexcept { most_payload_bytes_ = bytes; }
  /// Of a head in all its parts.
  void limit_heads(std::size_t bytes) noexcept { most_head_bytes_ = bytes; }

  /// Takes what is there off the socket, so that closing it cannot wait for what lies in it.
  void discard(int socket) noexcept;

 private:
  Result<std::optional<wire::FrameHeader>> next_header() const;
  Result<bool> read_more(int socket);
  Result<void> take_over(UniqueFd received);
  Result<void> check_descriptor(wire::FrameType type);
  Result<std::optional<Frame>> assemble(const wire::FrameHeader& header, std::string_view payload);
  void make_room(std::size_t payload_bytes);
  std::string_view unread() const noexcept {
    return {buffer_.data() + consumed_, filled_ - consumed_};
  }

  Descriptors descriptors_;
  std::size_t most_payload_bytes_ = wire::kMaxPayloadBytes;
  std::size_t most_head_bytes_ = wire::kMaxPayloadBytes;
  std::string buffer_;  ///< bytes [consumed_, filled_) are unread
  std::size_t filled_ = 0;
  std::size_t consumed_ = 0;
  std::string head_;                ///< the parts of a head so far
  std::uint64_t head_request_ = 0;  ///< whose; 0: no part has come
  UniqueFd descriptor_;
  std::size_t descriptor_end_ = 0;  ///< it came with the byte before this one of buffer_
};

}  // namespace wsgix::channel

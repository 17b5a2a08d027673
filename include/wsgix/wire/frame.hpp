// SPDX-License-Identifier: Apache-2.0
// wire/frame.hpp: the envelope of every message between an httpd child and a worker.
//
// Pure functions over bytes: no sockets, no httpd, no Python. Both ends and the
// fuzzer use exactly this code. The contract in prose: docs/protocol.md.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "wsgix/base/result.hpp"

namespace wsgix::wire {

/// Frame header, big-endian:
///   magic u16 | version u8 | type u8 | payload length u32 | number of the request u64
inline constexpr std::size_t kHeaderBytes = 16;
inline constexpr std::uint16_t kMagic = 0x5758;  // "WX"
inline constexpr std::uint8_t kVersion = 2;
inline constexpr std::uint32_t kMaxPayloadBytes = 1u << 20;

enum class FrameType : std::uint8_t {
  // child to worker
  Hello = 1,         ///< first on every connection: the group's token
  RequestHead = 2,   ///< starts a request
  RequestBody = 3,   ///< bytes of its body
  RequestEnd = 4,    ///< the body is complete; sent only after a head that announced one
  RequestAbort = 5,  ///< the body will never be complete: one u8, a wire::AbortReason
  // either way
  HeadPart = 8,  ///< the start of a head that does not fit into one frame
  // worker to child
  Welcome = 16,   ///< first on every connection: who serves it
  WantBody = 17,  ///< the application reads its body (100-continue is due now)
  ResponseHead = 18,
  ResponseBody = 19,
  ResponseFile = 20,  ///< a descriptor travels with it: u64 offset, u64 length
  ResponseEnd = 21,   ///< the response is whole; the connection is idle again
  ResponseCut = 22,   ///< the response will never be whole; payload as Failure
  Failure = 23,       ///< no response: u16 HTTP status, u32 diagnostic number, text
  Log = 24,           ///< a line of this request for the virtual host's error log
  Busy = 25,          ///< not executed: every thread is busy; the connection is idle again
  Closing = 26,       ///< nothing after this point was or will be executed on this connection
  EarlyHints = 27,    ///< headers of an interim response 103; before ResponseHead
};

/// False for what is said about the connection itself, under the number 0.
constexpr bool belongs_to_request(FrameType type) noexcept {
  return type != FrameType::Hello && type != FrameType::Welcome && type != FrameType::Closing;
}

/// What may span frames, see HeadPart.
constexpr bool is_head(FrameType type) noexcept {
  return type == FrameType::RequestHead || type == FrameType::ResponseHead;
}

struct FrameHeader {
  FrameType type;
  std::uint32_t payload_bytes;
  std::uint64_t request;  ///< counts the requests of a connection from 1; 0: about none

  bool operator==(const FrameHeader&) const = default;
};

/// Precondition: header.payload_bytes <= kMaxPayloadBytes.
std::array<char, kHeaderBytes> encode_header(FrameHeader header) noexcept;

/// Validates magic, version, type, length and number before anyone allocates for the payload.
/// Precondition: at least kHeaderBytes are there.
Result<FrameHeader> decode_header(std::string_view bytes);

/// "ResponseHead", for messages.
const char* to_string(FrameType type) noexcept;

}  // namespace wsgix::wire

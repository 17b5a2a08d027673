// SPDX-License-Identifier: Apache-2.0
#include "wsgix/wire/frame.hpp"

#include <fmt/format.h>

#include "byte_reader.hpp"

namespace wsgix::wire {

// nullptr for a number that names no frame: decode_header() asks here what is known.
const char* to_string(FrameType type) noexcept {
  switch (type) {
    case FrameType::Hello: return "Hello";
    case FrameType::RequestHead: return "RequestHead";
    case FrameType::RequestBody: return "RequestBody";
    case FrameType::RequestEnd: return "RequestEnd";
    case FrameType::RequestAbort: return "RequestAbort";
    case FrameType::Welcome: return "Welcome";
    case FrameType::WantBody: return "WantBody";
    case FrameType::ResponseHead: return "ResponseHead";
    case FrameType::ResponseBody: return "ResponseBody";
    case FrameType::ResponseFile: return "ResponseFile";
    case FrameType::ResponseEnd: return "ResponseEnd";
    case FrameType::ResponseCut: return "ResponseCut";
    case FrameType::Failure: return "Failure";
    case FrameType::Log: return "Log";
    case FrameType::Busy: return "Busy";
    case FrameType::Closing: return "Closing";
    case FrameType::EarlyHints: return "EarlyHints";
  }
  return nullptr;
}

std::array<char, kHeaderBytes> encode_header(FrameHeader header) noexcept {
  const std::uint32_t n = header.payload_bytes;
  return {static_cast<char>(kMagic >> 8), static_cast<char>(kMagic & 0xFF),
          static_cast<char>(kVersion),    static_cast<char>(header.type),
          static_cast<char>(n >> 24),     static_cast<char>(n >> 16),
          static_cast<char>(n >> 8),      static_cast<char>(n)};
}

Result<FrameHeader> decode_header(std::string_view bytes) {
  ByteReader reader(bytes.substr(0, kHeaderBytes));
  const auto magic = reader.number<std::uint16_t>();
  const auto version = reader.number<std::uint8_t>();
  const auto type = reader.number<std::uint8_t>();
  const auto length = reader.number<std::uint32_t>();
  if (!length) return failed(ErrorCode::BrokenInvariant, "frame header of fewer than 8 bytes");

  if (*magic != kMagic) {
    return failed(ErrorCode::MalformedFrame, "a frame does not start with the magic number");
  }
  if (*version != kVersion) {
    return failed(
        ErrorCode::UnsupportedProtocolVersion,
        fmt::format("the peer speaks protocol {}, this build speaks {}", *version, kVersion));
  }
  const auto known = static_cast<FrameType>(*type);
  if (to_string(known) == nullptr) {
    return failed(ErrorCode::MalformedFrame, fmt::format("unknown frame type {}", *type));
  }
  if (*length > kMaxPayloadBytes) {
    return failed(ErrorCode::FrameTooLarge,
                  fmt::format("{} frame of {} bytes exceeds {}", to_string(known), *length,
                              kMaxPayloadBytes));
  }
  return FrameHeader{known, *length};
}

}  // namespace wsgix::wire

// SPDX-License-Identifier: Apache-2.0
#include "wsgix/wire/frame.hpp"

#include <fmt/format.h>

#include "wsgix/base/bytes.hpp"

namespace wsgix::wire {

// nullptr for a number that names no frame: decode_header() asks here what is known.
const char* to_string(FrameType type) noexcept {
  switch (type) {
    case FrameType::Hello: return "Hello";
    case FrameType::RequestHead: return "RequestHead";
    case FrameType::RequestBody: return "RequestBody";
    case FrameType::RequestEnd: return "RequestEnd";
    case FrameType::RequestAbort: return "RequestAbort";
    case FrameType::HeadPart: return "HeadPart";
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
  std::array<char, kHeaderBytes> bytes{};
  auto next = bytes.begin();
  const auto put = [&next]<typename Number>(Number number) {
    for (std::size_t left = sizeof number; left != 0;) {
      *next++ = static_cast<char>(static_cast<std::uint64_t>(number) >> (8 * --left));
    }
  };
  put(kMagic);
  put(kVersion);
  put(static_cast<std::uint8_t>(header.type));
  put(header.payload_bytes);
  put(header.request);
  return bytes;
}

Result<FrameHeader> decode_header(std::string_view bytes) {
  ByteReader reader(bytes.substr(0, kHeaderBytes));
  const auto magic = reader.number<std::uint16_t>();
  const auto version = reader.number<std::uint8_t>();
  const auto type = reader.number<std::uint8_t>();
  const auto length = reader.number<std::uint32_t>();
  const auto request = reader.number<std::uint64_t>();
  if (!request) return failed(ErrorCode::BrokenInvariant, "frame header of fewer than 16 bytes");

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
  if ((*request != 0) != belongs_to_request(known)) {
    return failed(ErrorCode::MalformedFrame,
                  fmt::format("{} frame with the number {}", to_string(known), *request));
  }
  return FrameHeader{known, *length, *request};
}

}  // namespace wsgix::wire

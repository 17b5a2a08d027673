// SPDX-License-Identifier: Apache-2.0
#include "wsgix/wire/frame.hpp"

#include <gtest/gtest.h>

#include <string>
#include <utility>

namespace wsgix::wire {
namespace {

std::string encoded(FrameHeader header) {
  const auto bytes = encode_header(header);
  return {bytes.data(), bytes.size()};
}

ErrorCode code_of(const auto& result) { return result ? ErrorCode{} : result.error().code; }

TEST(FrameHeader, SurvivesARoundTripForEveryTypeThatHasAName) {
  int known = 0;
  for (int type = 0; type < 256; ++type) {
    const auto frame = static_cast<FrameType>(type);
    const std::uint64_t request = belongs_to_request(frame) ? 0x0102'0304'0506'0708 : 0;
    const FrameHeader header{frame, 4711, request};
    const auto decoded = decode_header(encoded(header));
    if (to_string(header.type) == nullptr) {
      EXPECT_EQ(code_of(decoded), ErrorCode::MalformedFrame) << "type " << type;
      continue;
    }
    ++known;
    ASSERT_TRUE(decoded) << to_log_line(decoded.error());
    EXPECT_EQ(*decoded, header);
  }
  EXPECT_EQ(known, 18);
}

TEST(FrameHeader, RefusesAPayloadOneByteOverTheLimit) {
  EXPECT_TRUE(decode_header(encoded({FrameType::RequestBody, kMaxPayloadBytes, 1})));
  EXPECT_EQ(code_of(decode_header(encoded({FrameType::RequestBody, kMaxPayloadBytes + 1, 1}))),
            ErrorCode::FrameTooLarge);
}

TEST(FrameHeader, RefusesAnotherProtocolAndAnotherVersion) {
  std::string stranger = encoded({FrameType::Hello, 0, 0});
  stranger[0] = 'G';
  std::string newer = encoded({FrameType::Hello, 0, 0});
  newer[2] = kVersion + 1;

  EXPECT_EQ(code_of(decode_header(stranger)), ErrorCode::MalformedFrame);
  EXPECT_EQ(code_of(decode_header(newer)), ErrorCode::UnsupportedProtocolVersion);
}

TEST(FrameHeader, RefusesAFrameWithoutItsRequestAndOneAboutTheConnectionWithOne) {
  for (const auto& [type, request] : {std::pair{FrameType::Hello, 1},
                                      {FrameType::Welcome, 1},
                                      {FrameType::Closing, 1},
                                      {FrameType::RequestHead, 0},
                                      {FrameType::ResponseBody, 0},
                                      {FrameType::Log, 0},
                                      {FrameType::Busy, 0}}) {
    EXPECT_EQ(code_of(decode_header(encoded({type, 0, static_cast<std::uint64_t>(request)}))),
              ErrorCode::MalformedFrame)
        << to_string(type);
  }
}

TEST(FrameHeader, RefusesFewerBytesThanAHeaderHas) {
  const std::string whole = encoded({FrameType::Hello, 0, 0});
  for (std::size_t kept = 0; kept < whole.size(); ++kept) {
    EXPECT_FALSE(decode_header(std::string_view(whole).substr(0, kept))) << kept;
  }
}

}  // namespace
}  // namespace wsgix::wire

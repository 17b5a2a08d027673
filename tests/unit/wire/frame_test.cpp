// SPDX-License-Identifier: Apache-2.0
#include "wsgix/wire/frame.hpp"

#include <gtest/gtest.h>

#include <string>

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
    const FrameHeader header{static_cast<FrameType>(type), 4711};
    const auto decoded = decode_header(encoded(header));
    if (to_string(header.type) == nullptr) {
      EXPECT_EQ(code_of(decoded), ErrorCode::MalformedFrame) << "type " << type;
      continue;
    }
    ++known;
    ASSERT_TRUE(decoded) << to_log_line(decoded.error());
    EXPECT_EQ(*decoded, header);
  }
  EXPECT_EQ(known, 17);
}

TEST(FrameHeader, RefusesAPayloadOneByteOverTheLimit) {
  EXPECT_TRUE(decode_header(encoded({FrameType::RequestBody, kMaxPayloadBytes})));
  EXPECT_EQ(code_of(decode_header(encoded({FrameType::RequestBody, kMaxPayloadBytes + 1}))),
            ErrorCode::FrameTooLarge);
}

TEST(FrameHeader, RefusesAnotherProtocolAndAnotherVersion) {
  std::string stranger = encoded({FrameType::Hello, 0});
  stranger[0] = 'G';
  std::string newer = encoded({FrameType::Hello, 0});
  newer[2] = kVersion + 1;

  EXPECT_EQ(code_of(decode_header(stranger)), ErrorCode::MalformedFrame);
  EXPECT_EQ(code_of(decode_header(newer)), ErrorCode::UnsupportedProtocolVersion);
}

TEST(FrameHeader, RefusesFewerBytesThanAHeaderHas) {
  const std::string whole = encoded({FrameType::Hello, 0});
  for (std::size_t kept = 0; kept < whole.size(); ++kept) {
    EXPECT_FALSE(decode_header(std::string_view(whole).substr(0, kept))) << kept;
  }
}

}  // namespace
}  // namespace wsgix::wire

// SPDX-License-Identifier: Apache-2.0
#include "wsgix/relay/worker_heads.hpp"

#include <gtest/gtest.h>

#include <string>

#include "wsgix/wsgi/response_rules.hpp"

namespace wsgix::relay {
namespace {

std::string encoded(const auto& message) {
  wire::Bytes bytes;
  EXPECT_TRUE(wire::encode(message, bytes));
  return std::string(bytes.begin(), bytes.end());
}

ErrorCode refusal_of(const wire::ResponseHead& head) {
  wire::ResponseHead read;
  const Result<void> result = read_response_head(encoded(head), read);
  return result ? ErrorCode{} : result.error().code;
}

TEST(WorkerHeads, AnHonestHeadComesThroughAsItWasSent) {
  const wire::ResponseHead head{200, "OK", {{"Set-Cookie", "a=1"}, {"Set-Cookie", "b=2"}}};
  const std::string payload = encoded(head);
  wire::ResponseHead read;
  ASSERT_TRUE(read_response_head(payload, read));
  EXPECT_EQ(read, head);
}

TEST(WorkerHeads, WhatTheRuntimeWouldRefuseIsRefused) {
  using namespace std::string_view_literals;
  EXPECT_EQ(refusal_of({200, "O\0K"sv, {}}), ErrorCode::WorkerHeadRefused);
  EXPECT_EQ(refusal_of({200, "OK", {{"X-A", "1\r\nX-B: 2"}}}), ErrorCode::WorkerHeadRefused);
  EXPECT_EQ(refusal_of({200, "OK", {{"X A", "1"}}}), ErrorCode::WorkerHeadRefused);
  EXPECT_EQ(refusal_of({200, std::string(1'000'000, 'x'), {}}), ErrorCode::WorkerHeadRefused);
}

TEST(WorkerHeads, ALongObjectionIsShortened) {
  wire::ResponseHead read;
  const std::string name = std::string(100'000, 'x') + " ";
  const auto result =
      read_response_head(encoded(wire::ResponseHead{200, "OK", {{name, "1"}}}), read);
  ASSERT_FALSE(result);
  EXPECT_LT(result.error().what.size(), 300U);
}

TEST(WorkerHeads, BytesThatAreNoHeadAreMalformed) {
  wire::ResponseHead read;
  const auto result = read_response_head("x", read);
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().code, ErrorCode::MalformedFrame);
}

TEST(EarlyHintsReader, TakesAsManyAsOneRequestMayHave) {
  const std::string payload = encoded(wire::EarlyHints{{{"Link", "</a>"}}});
  EarlyHintsReader reader;
  for (std::size_t i = 0; i < wsgi::kMostEarlyHints; ++i) ASSERT_TRUE(reader.read(payload)) << i;
  const auto more = reader.read(payload);
  ASSERT_FALSE(more);
  EXPECT_EQ(more.error().code, ErrorCode::UnexpectedFrame);
}

TEST(EarlyHintsReader, CountsTheirBytesTogether) {
  const std::string large(wsgi::kMostEarlyHintBytes / 2, 'x');
  const std::string payload = encoded(wire::EarlyHints{{{"Link", large}}});
  EarlyHintsReader reader;
  EXPECT_TRUE(reader.read(payload));
  EXPECT_FALSE(reader.read(payload));
}

TEST(EarlyHintsReader, RefusesAHeaderThatBreaksARule) {
  const std::string payload = encoded(wire::EarlyHints{{{"Link", "a\nb"}}});
  const auto result = EarlyHintsReader().read(payload);
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().code, ErrorCode::WorkerHeadRefused);
}

}  // namespace
}  // namespace wsgix::relay

// SPDX-License-Identifier: Apache-2.0
#include "wsgix/wire/messages.hpp"

#include <gtest/gtest.h>

#include <functional>

#include "wsgix/wire/frame.hpp"

namespace wsgix::wire {
namespace {

ErrorCode code_of(const auto& result) { return result ? ErrorCode{} : result.error().code; }

const std::string kToken(kTokenBytes, 'k');

RequestHead sample_request() {
  RequestHead head;
  head.flags = RequestHead::kHasBody | RequestHead::kHttps;
  head.content_length = 1 << 20;
  head.request_start_us = 1'700'000'001'000'001;
  head.queue_start_us = -1;
  head.deadline_us = 12'345;
  head.script = {"/srv/app.wsgi",           "",   "application",
                 wsgi::ScriptReloading::On, true, 1'700'000'000'123'456};
  head.environ = {{"PATH_INFO", ""}, {"HTTP_X", std::string_view("a\0b", 3)}};
  return head;
}

Result<RequestHead> decode_request(std::string_view payload) {
  RequestHead head;
  const auto decoded = decode_request_head(payload, head);
  if (!decoded) return failed(decoded);
  return head;
}

Result<ResponseHead> decode_response(std::string_view payload) {
  ResponseHead head;
  const auto decoded = decode_response_head(payload, head);
  if (!decoded) return failed(decoded);
  return head;
}

template <typename Message, typename Decoder>
void expect_round_trip(const Message& sent, Decoder decode) {
  Bytes bytes = "untouched";
  ASSERT_TRUE(encode(sent, bytes));
  ASSERT_EQ(bytes.substr(0, 9), "untouched");

  const auto received = decode(std::string_view(bytes).substr(9));

  ASSERT_TRUE(received) << to_log_line(received.error());
  EXPECT_EQ(*received, sent);
}

TEST(Messages, SurviveARoundTrip) {
  expect_round_trip(Hello{kToken}, decode_hello);
  expect_round_trip(Welcome{4711, 3}, decode_welcome);
  expect_round_trip(sample_request(), decode_request);
  expect_round_trip(ResponseHead{404, "Not Found", {{"A", "1"}, {"A", "2"}}}, decode_response);
  expect_round_trip(EarlyHints{{{"Link", "</a.css>"}, {"Link", "</b.js>"}}}, decode_early_hints);
  expect_round_trip(ResponseFile{1ull << 40, 17}, decode_response_file);
  expect_round_trip(Failure{503, 6011, "full"}, decode_failure);
  expect_round_trip(LogRecord{LogLevel::Debug, 7, "app.py", "text"}, decode_log_record);
  expect_round_trip(AbortReason::BodyTooLarge, decode_abort);
}

struct Sample {
  const char* name;
  std::function<Bytes()> payload;
  std::function<bool(std::string_view)> accepts;
};

template <typename Message>
std::function<Bytes()> payload_of(Message message) {
  return [message] {
    Bytes bytes;
    EXPECT_TRUE(encode(message, bytes));
    return bytes;
  };
}

std::vector<Sample> samples() {
  return {
      {"Hello", payload_of(Hello{kToken}), [](auto b) { return bool(decode_hello(b)); }},
      {"Welcome", payload_of(Welcome{1, 2}), [](auto b) { return bool(decode_welcome(b)); }},
      {"RequestHead", payload_of(sample_request()), [](auto b) { return bool(decode_request(b)); }},
      {"ResponseHead", payload_of(ResponseHead{200, "OK", {{"A", "1"}}}),
       [](auto b) { return bool(decode_response(b)); }},
      {"EarlyHints", payload_of(EarlyHints{{{"A", "1"}}}),
       [](auto b) { return bool(decode_early_hints(b)); }},
      {"ResponseFile", payload_of(ResponseFile{1, 2}),
       [](auto b) { return bool(decode_response_file(b)); }},
      {"Failure", payload_of(Failure{500, 1, "x"}), [](auto b) { return bool(decode_failure(b)); }},
      {"Log", payload_of(LogRecord{LogLevel::Info, 1, "f", "t"}),
       [](auto b) { return bool(decode_log_record(b)); }},
      {"RequestAbort", payload_of(AbortReason::ClientGone),
       [](auto b) { return bool(decode_abort(b)); }},
  };
}

TEST(Messages, RefuseEveryTruncation) {
  for (const Sample& sample : samples()) {
    const Bytes whole = sample.payload();
    ASSERT_TRUE(sample.accepts(whole)) << sample.name;
    for (std::size_t kept = 0; kept < whole.size(); ++kept) {
      EXPECT_FALSE(sample.accepts(std::string_view(whole).substr(0, kept)))
          << sample.name << " accepted " << kept << " bytes";
    }
  }
}

TEST(Messages, RefuseBytesAfterTheLastField) {
  for (const Sample& sample : samples()) {
    EXPECT_FALSE(sample.accepts(sample.payload() + '\0')) << sample.name;
  }
}

TEST(Fields, RefuseACountThatTheBytesCannotHold) {
  EXPECT_EQ(code_of(decode_fields("\xFF\xFF\xFF\xFF")), ErrorCode::MalformedFrame);
}

TEST(Fields, RefuseToEncodeWhatTheOtherSideWouldRefuse) {
  const std::string largest(kMaxPayloadBytes - 4 - 8 - 1, 'x');
  const std::string one_more = largest + "x";
  Bytes fits, too_large = "before";

  EXPECT_TRUE(encode_fields({{"a", largest}}, fits));
  EXPECT_EQ(code_of(encode_fields({{"a", one_more}}, too_large)), ErrorCode::FrameTooLarge);
  EXPECT_EQ(too_large, "before");
}

TEST(Hello, RefusesATokenOfAnotherLength) {
  Bytes bytes;
  EXPECT_FALSE(encode(Hello{"short"}, bytes));
  EXPECT_FALSE(decode_hello(kToken + "k"));
}

TEST(RequestHead, RefusesFlagsItDoesNotKnowAndNegativeLengths) {
  RequestHead head = sample_request();
  head.flags = 0x40;
  Bytes unknown_flag;
  ASSERT_TRUE(encode(head, unknown_flag));
  head = sample_request();
  head.script.reloading = static_cast<wsgi::ScriptReloading>(3);
  Bytes unknown_reloading;
  ASSERT_TRUE(encode(head, unknown_reloading));
  head = sample_request();
  head.deadline_us = -1;
  Bytes negative_deadline;
  ASSERT_TRUE(encode(head, negative_deadline));
  head = sample_request();
  head.content_length = -2;
  Bytes negative;
  ASSERT_TRUE(encode(head, negative));

  EXPECT_FALSE(decode_request(unknown_flag));
  EXPECT_FALSE(decode_request(unknown_reloading));
  EXPECT_FALSE(decode_request(negative_deadline));
  EXPECT_FALSE(decode_request(negative));
}

TEST(ResponseHead, HasAStatusOfThreeDigits) {
  Bytes bytes;
  EXPECT_FALSE(encode(ResponseHead{99, "", {}}, bytes));
  EXPECT_FALSE(encode(ResponseHead{1000, "", {}}, bytes));
  EXPECT_TRUE(encode(ResponseHead{999, "", {}}, bytes));
  bytes[0] = '\x7F';
  EXPECT_FALSE(decode_response(bytes));
}

TEST(RequestAbort, KnowsItsReasonsOnly) {
  EXPECT_FALSE(decode_abort(std::string_view("\0", 1)));
  EXPECT_FALSE(decode_abort("\x05"));
  EXPECT_TRUE(decode_abort("\x01"));
}

TEST(LogRecord, HasALevelThatHttpdKnows) {
  Bytes bytes;
  ASSERT_TRUE(encode(LogRecord{LogLevel::Debug, 0, "", ""}, bytes));
  bytes[0] = 8;
  EXPECT_FALSE(decode_log_record(bytes));
}

}  // namespace
}  // namespace wsgix::wire

// SPDX-License-Identifier: Apache-2.0
#include "wsgix/wsgi/response_rules.hpp"

#include <gtest/gtest.h>

#include <string>
#include <utility>

namespace wsgix::wsgi {
namespace {

using std::string_literals::operator""s;

struct Case {
  std::string text;
  std::string objection;  // empty: accepted
};

std::string text_of(const Objection& objection) { return objection.value_or(""); }

TEST(ResponseRules, ObjectToStatusWithTheContractsTexts) {
  const Case cases[] = {
      {"200 OK", ""},
      {"200", ""},
      {"200 ", ""},
      {"299 Gr\xfc\xdf", ""},
      {"", "status code must be a 3 digit integer: b''"},
      {"20 OK", "status code must be a 3 digit integer: b'20 OK'"},
      {"2000 OK", "status code must be a 3 digit integer: b'2000 OK'"},
      {"OK", "status code must be a 3 digit integer: b'OK'"},
      {"200OK", "no space following status code: b'200OK'"},
      {"200 O\nK", "control character in status reason phrase: b'200 O\\nK'"},
      {"200 O\0K"s, "control character in status reason phrase: b'200 O\\x00K'"},
      {"000 None", "status code must be 200 or more: b'000 None'"},
      {"101 Over", "status code must be 200 or more: b'101 Over'"},
  };
  for (const auto& [text, objection] : cases) {
    EXPECT_EQ(text_of(object_to_status(text)), objection) << text;
  }
}

TEST(ResponseRules, ObjectToHeaderNamesThatAreNoTokens) {
  const Case cases[] = {
      {"Content-Type", ""},
      {"X_!#$%&'*+.^`|~9", ""},
      {"", "header name is empty"},
      {"A B", "space character in header name: b'A B'"},
      {"A\tB", "control character in header name: b'A\\tB'"},
      {"A\0"s, "control character in header name: b'A\\x00'"},
      {"A:", "separator or non-ASCII character in header name: b'A:'"},
      {"(A)", "separator or non-ASCII character in header name: b'(A)'"},
      {"\xc4", "separator or non-ASCII character in header name: b'\\xc4'"},
  };
  for (const auto& [text, objection] : cases) {
    EXPECT_EQ(text_of(object_to_header_name(text)), objection) << text;
  }
}

TEST(ResponseRules, ObjectToControlCharactersInHeaderValues) {
  const Case cases[] = {
      {"", ""},
      {"a\tb", ""},
      {"\xfc", ""},
      {"a\r\nSet-Cookie: b",
       "carriage return/line feed character in header value: b'a\\r\\nSet-Cookie: b'"},
      {"a\0b"s, "control character in header value: b'a\\x00b'"},
      {"\x7f", "control character in header value: b'\\x7f'"},
  };
  for (const auto& [text, objection] : cases) {
    EXPECT_EQ(text_of(object_to_header_value(text)), objection) << text;
  }
}

TEST(ResponseRules, ObjectToAReasonOfAMegabyteAndToTooManyHeaders) {
  EXPECT_EQ(text_of(object_to_reason(std::string(kMaxReasonBytes, 'A'))), "");
  EXPECT_EQ(text_of(object_to_reason(std::string(kMaxReasonBytes + 1, 'A'))),
            "status reason phrase has 8193 bytes, more than 8192");
  EXPECT_NE(text_of(object_to_status("200 " + std::string(1 << 20, 'A'))), "");
  EXPECT_EQ(text_of(object_to_header_count(kMaxHeaders)), "");
  EXPECT_NE(text_of(object_to_header_count(kMaxHeaders + 1)), "");
}

TEST(HeadCheck, TakesWhatTheRuntimeMakes) {
  HeadCheck check;

  EXPECT_EQ(text_of(check.status(200, "")), "");
  EXPECT_EQ(text_of(check.header("Content-Length", "4")), "");
  EXPECT_EQ(text_of(check.header("Set-Cookie", "a=b")), "");
  EXPECT_EQ(text_of(check.header("Set-Cookie", "c=\xfc")), "");
}

TEST(HeadCheck, RefusesWhatTheRuntimeNeverSends) {
  const std::pair<std::string, std::string> headers[] = {
      {"", ""},
      {"A B", "c"},
      {"A:", "b"},
      {"A", "b\r\nC: d"},
      {"A", "b\0"s},
      {"Transfer-Encoding", "chunked"},
      {"connection", "close"},
      {"Content-Length", "-4"},
      {"Content-Length", "4, 4"},
  };
  for (const auto& [name, value] : headers) {
    EXPECT_NE(text_of(HeadCheck().header(name, value)), "") << name << ": " << value;
  }
  EXPECT_NE(text_of(HeadCheck().status(199, "")), "");
  EXPECT_NE(text_of(HeadCheck().status(1000, "")), "");
  EXPECT_NE(text_of(HeadCheck().status(200, "O\0K"s)), "");
}

TEST(HeadCheck, RefusesASecondLengthAndOneOfAnInterimResponse) {
  HeadCheck twice;
  EXPECT_EQ(text_of(twice.header("Content-Length", "4")), "");
  EXPECT_NE(text_of(twice.header("content-length", "4")), "");

  HeadCheck hints;
  hints.interim();
  EXPECT_EQ(text_of(hints.header("Link", "</a.css>; rel=preload")), "");
  EXPECT_NE(text_of(hints.header("Content-Length", "4")), "");
}

TEST(HeadCheck, CountsTheHeadersOfOneHead) {
  HeadCheck check;
  for (std::size_t i = 0; i < kMaxHeaders; ++i) ASSERT_EQ(text_of(check.header("A", "b")), "");
  EXPECT_NE(text_of(check.header("A", "b")), "");
}

TEST(ResponseRules, SplitStatusKeepsTheReasonAsItIs) {
  EXPECT_EQ(split_status("404 Not Found").code, 404);
  EXPECT_EQ(split_status("404 Not Found").reason, "Not Found");
  EXPECT_EQ(split_status("204").reason, "");
  EXPECT_EQ(split_status("204 ").reason, "");
}

TEST(ResponseRules, ContentLengthIsAPlainNumber) {
  EXPECT_EQ(parse_content_length("0"), 0u);
  EXPECT_EQ(parse_content_length(" 12 "), 12u);
  EXPECT_EQ(parse_content_length("9223372036854775807"), 9223372036854775807u);
  for (const char* wrong : {"", " ", "-1", "+1", "1.0", "0x10", "1 2", "9223372036854775808",
                            "99999999999999999999999", "abc"}) {
    EXPECT_FALSE(parse_content_length(wrong)) << wrong;
  }
}

TEST(ResponseRules, HopByHopHeadersAreFoundInAnyCase) {
  EXPECT_TRUE(is_hop_by_hop("Transfer-Encoding"));
  EXPECT_TRUE(is_hop_by_hop("CONNECTION"));
  EXPECT_FALSE(is_hop_by_hop("Content-Length"));
}

TEST(ResponseRules, SomeAnswersHaveNoBody) {
  EXPECT_TRUE(has_no_body(200, "HEAD"));
  EXPECT_TRUE(has_no_body(204, "GET"));
  EXPECT_TRUE(has_no_body(304, "GET"));
  EXPECT_TRUE(has_no_body(101, "GET"));
  EXPECT_FALSE(has_no_body(200, "GET"));
}

TEST(ResponseRules, BytesLookAsPythonShowsThem) {
  EXPECT_EQ(bytes_repr("it's"), "b\"it's\"");
  EXPECT_EQ(bytes_repr("it's \"it\""), "b'it\\'s \"it\"'");
  EXPECT_EQ(bytes_repr("a\\b\xff"), "b'a\\\\b\\xff'");
}

}  // namespace
}  // namespace wsgix::wsgi

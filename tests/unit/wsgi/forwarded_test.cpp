// SPDX-License-Identifier: Apache-2.0
// The elements of X-Forwarded-For and of RFC 7239's Forwarded.
#include "wsgi/forwarded.hpp"

#include <gtest/gtest.h>

namespace wsgix::wsgi {
namespace {

TEST(ForwardedFor, LeavesOutBlanksAndEmptyElements) {
  using Elements = std::vector<std::string_view>;

  EXPECT_EQ(split_forwarded_for("a, b ,\tc"), (Elements{"a", "b", "c"}));
  EXPECT_EQ(split_forwarded_for(", ,a,,"), (Elements{"a"}));
  EXPECT_EQ(split_forwarded_for(""), Elements{});
  EXPECT_EQ(split_forwarded_for(" , "), Elements{});
}

TEST(Forwarded, HasElementsOfPairsInAnyCase) {
  const auto elements =
      parse_forwarded(R"(For="[2001:db8::1]:47";PROTO=https;by=x , for=192.0.2.1;host="a\"b")");

  ASSERT_TRUE(elements);
  ASSERT_EQ(elements->size(), 2u);
  EXPECT_EQ((*elements)[0].text, R"(For="[2001:db8::1]:47";PROTO=https;by=x)");
  EXPECT_EQ((*elements)[0].client, "[2001:db8::1]:47");
  EXPECT_EQ((*elements)[0].scheme, "https");
  EXPECT_EQ((*elements)[0].host, std::nullopt);
  EXPECT_EQ((*elements)[1].client, "192.0.2.1");
  EXPECT_EQ((*elements)[1].host, "a\"b");
}

TEST(Forwarded, KeepsSeparatorsInsideQuotes) {
  const auto elements = parse_forwarded(R"(host="a,b;c=d";for=1.2.3.4)");

  ASSERT_TRUE(elements);
  ASSERT_EQ(elements->size(), 1u);
  EXPECT_EQ(elements->front().host, "a,b;c=d");
  EXPECT_EQ(elements->front().client, "1.2.3.4");
}

TEST(Forwarded, ForgivesWhatCommonProxiesWrite) {
  EXPECT_EQ(parse_forwarded("for=1.2.3.4:80; host=a:8080")->front().host, "a:8080");
  EXPECT_EQ(parse_forwarded("for=[::1]")->front().client, "[::1]");
  EXPECT_EQ(parse_forwarded(" , for=a;,, ;for=b")->size(), 2u);
  EXPECT_EQ(parse_forwarded("")->size(), 0u);
}

TEST(Forwarded, IsNotBelievedAtAllWhenItIsMalformed) {
  for (const auto* text :
       {"for", "for=", "=a", "for =a", "for= a", "for=a b", "for=\"a", "for=\"a\\", "for=\"a\"b",
        "for=a\"b\"", "for=a=b", "for=a;for=b", "for=1.2.3.4, for=\"9.9.9.9, for=\"[::1]\""}) {
    EXPECT_FALSE(parse_forwarded(text)) << text;
  }
}

}  // namespace
}  // namespace wsgix::wsgi

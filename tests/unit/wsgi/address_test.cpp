// SPDX-License-Identifier: Apache-2.0
// Which texts are addresses and networks, and what a network holds.
#include "wsgix/wsgi/address.hpp"

#include <gtest/gtest.h>

namespace wsgix::wsgi {
namespace {

TEST(Address, IsReadInEverySpelling) {
  for (const auto* text : {"2001:db8::1", "2001:DB8::1", "2001:0db8:0:0:0:0:0:1",
                           "2001:db8:0:0:0:0:0.0.0.1", "2001:db8::0.0.0.1"}) {
    EXPECT_EQ(parse_address(text), parse_address("2001:db8::1")) << text;
  }
  EXPECT_EQ(parse_address("::")->bytes, Address{}.bytes);
  EXPECT_EQ(parse_address("1::")->bytes[1], 1);
  EXPECT_EQ(parse_address("::1")->bytes[15], 1);
  EXPECT_FALSE(parse_address("::1.2.3.4")->is_v4);
}

TEST(Address, MappedIsTheIpv4AddressThatItMeans) {
  for (const auto* text : {"::ffff:192.0.2.1", "::FFFF:c000:0201", "0:0:0:0:0:ffff:192.0.2.1"}) {
    EXPECT_EQ(parse_address(text), parse_address("192.0.2.1")) << text;
  }
}

TEST(Address, IsNothingElse) {
  for (const auto* text : {"",
                           "localhost",
                           "1.2.3",
                           "1.2.3.4.5",
                           "1.2.3.256",
                           "1.2.3.+4",
                           "1.2.3.4 ",
                           "1.2.3.0004",
                           "1.2.3.",
                           ".1.2.3",
                           ":",
                           ":::",
                           "1:2:3:4:5:6:7",
                           "1:2:3:4:5:6:7:8:9",
                           "1:2:3:4:5:6:7::8",
                           "1::2::3",
                           "12345::",
                           "g::",
                           "::1%eth0",
                           "[::1]",
                           "1.2.3.4::",
                           "::1.2.3.4:1",
                           "1:",
                           ":1:2:3:4:5:6:7:8",
                           "1:2:3:4:5:6:7:8:",
                           "1:2:3:4:5:6:7:1.2.3.4",
                           "::1.2.3"}) {
    EXPECT_EQ(parse_address(text), std::nullopt) << text;
  }
}

TEST(NumericPart, LosesPortAndBrackets) {
  EXPECT_EQ(numeric_part("192.0.2.1"), "192.0.2.1");
  EXPECT_EQ(numeric_part("192.0.2.1:80"), "192.0.2.1");
  EXPECT_EQ(numeric_part("2001:db8::1"), "2001:db8::1");
  EXPECT_EQ(numeric_part("[2001:db8::1]"), "2001:db8::1");
  EXPECT_EQ(numeric_part("[2001:db8::1]:65535"), "2001:db8::1");
}

TEST(NumericPart, IsAbsentFromEverythingElse) {
  for (const auto* text :
       {"", "unknown", "_hidden", "proxy.example:80", "192.0.2.1:", "192.0.2.1:x",
        "192.0.2.1:65536", "[192.0.2.1]", "[::1", "[::1]x", "[::1]:", "[]"}) {
    EXPECT_EQ(numeric_part(text), std::nullopt) << text;
  }
}

bool holds(std::string_view network, std::string_view address) {
  const auto parsed = parse_network(network);
  return parsed && parsed->contains(*parse_address(address));
}

TEST(Network, HoldsWhatItsPrefixSays) {
  EXPECT_TRUE(holds("10.0.0.5", "10.0.0.5"));
  EXPECT_FALSE(holds("10.0.0.5", "10.0.0.4"));
  EXPECT_TRUE(holds("10.0.0.5/8", "10.255.0.1"));
  EXPECT_FALSE(holds("10.0.0.0/8", "11.0.0.1"));
  EXPECT_TRUE(holds("10.0.0.0/9", "10.127.0.1"));
  EXPECT_FALSE(holds("10.0.0.0/9", "10.128.0.1"));
  EXPECT_TRUE(holds("0.0.0.0/0", "203.0.113.9"));
  EXPECT_TRUE(holds("10.0.0.0/255.255.0.0", "10.0.9.9"));
  EXPECT_FALSE(holds("10.0.0.0/255.255.0.0", "10.1.9.9"));
  EXPECT_TRUE(holds("10.1", "10.1.2.3"));
  EXPECT_TRUE(holds("10.1.", "10.1.2.3"));
  EXPECT_FALSE(holds("10.1", "10.2.2.3"));
  EXPECT_TRUE(holds("2001:DB8::/33", "2001:db8:7fff::1"));
  EXPECT_FALSE(holds("2001:db8::/33", "2001:db8:8000::1"));
}

TEST(Network, KeepsTheFamiliesApartButForMappedAddresses) {
  EXPECT_FALSE(holds("::/0", "10.0.0.1"));
  EXPECT_FALSE(holds("0.0.0.0/0", "2001:db8::1"));
  EXPECT_TRUE(holds("10.0.0.0/8", "::ffff:10.1.1.1"));
  EXPECT_TRUE(holds("::ffff:10.0.0.0/104", "10.1.1.1"));
  EXPECT_FALSE(holds("::ffff:10.0.0.0/104", "11.1.1.1"));
}

TEST(Network, IsNothingElse) {
  for (const auto* text :
       {"", "/", "/8", "10.0.0.0/", "10.0.0.0/33", "10.0.0.0/-1", "10.0.0.0/8x", "10.0.0.0/8/8",
        "10.0.0.0/255.0.255.0", "10.1/16", "::/129", "::ffff:10.0.0.0/8", "proxy.example",
        "2001:db8::/ffff::", "..", "10..1", "fe80::1%eth0", "10.0.0.0,10.0.0.1"}) {
    EXPECT_FALSE(parse_network(text)) << text;
  }
}

}  // namespace
}  // namespace wsgix::wsgi

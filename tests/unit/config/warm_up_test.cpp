// SPDX-License-Identifier: Apache-2.0
#include "wsgix/config/warm_up.hpp"

#include <gtest/gtest.h>

namespace wsgix::config {
namespace {

TEST(WarmUpTarget, IsAPathOrAUrl) {
  EXPECT_EQ(warm_up_target("/"), (WarmUpTarget{false, "", "/", "", "", "80"}));
  EXPECT_EQ(warm_up_target("/health?deep=1"),
            (WarmUpTarget{false, "", "/health", "deep=1", "", "80"}));
  EXPECT_EQ(warm_up_target("http://shop.example/"),
            (WarmUpTarget{false, "shop.example", "/", "", "shop.example", "80"}));
  EXPECT_EQ(warm_up_target("https://shop.example:8443/a/b?c%20d"),
            (WarmUpTarget{true, "shop.example:8443", "/a/b", "c%20d", "shop.example", "8443"}));
  EXPECT_EQ(warm_up_target("http://[::1]:8080/x"),
            (WarmUpTarget{false, "[::1]:8080", "/x", "", "[::1]", "8080"}));
}

TEST(WarmUpTarget, IsNothingElse) {
  for (const char* text : {"",
                           "health",
                           "?",
                           "http://",
                           "http:///x",
                           "http://host",
                           "http://user@host/",
                           "ftp://h/",
                           "/a b",
                           "/a\n",
                           "/caf\xc3\xa9",
                           "/a%20b",
                           "/a#b",
                           "/a?b#c",
                           "http://ho st/",
                           "http://:80/",
                           "http://h:/",
                           "http://h:http/",
                           "http://h:123456/",
                           "http://[::1/",
                           "http://a[b]/",
                           "http://::1/"}) {
    EXPECT_FALSE(warm_up_target(text)) << text;
  }
}

}  // namespace
}  // namespace wsgix::config

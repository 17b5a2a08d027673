// SPDX-License-Identifier: Apache-2.0
// The rules of environ and of group names, case by case.
#include "wsgix/wsgi/environ.hpp"

#include <gtest/gtest.h>

#include <array>

namespace wsgix::wsgi {
namespace {

TEST(HeaderRole, DropsProxyAndNamesThatCouldCollideAfterTranslation) {
  EXPECT_EQ(role_of_header("Proxy"), HeaderRole::Dropped);
  EXPECT_EQ(role_of_header("X_Forwarded_For"), HeaderRole::Dropped);
  EXPECT_EQ(role_of_header("X.Real"), HeaderRole::Dropped);
  EXPECT_EQ(role_of_header("X-\xc3\xa9"), HeaderRole::Dropped);
  EXPECT_EQ(role_of_header(""), HeaderRole::Dropped);
}

TEST(HeaderRole, KnowsTheHeadersWithRulesOfTheirOwnInAnyCase) {
  EXPECT_EQ(role_of_header("CONTENT-type"), HeaderRole::ContentType);
  EXPECT_EQ(role_of_header("content-length"), HeaderRole::ContentLength);
  EXPECT_EQ(role_of_header("authorization"), HeaderRole::Authorization);
  EXPECT_EQ(role_of_header("Proxy-Authorization"), HeaderRole::ProxyAuthorization);
  EXPECT_EQ(role_of_header("Proxy-Connection"), HeaderRole::Plain);
}

TEST(HeaderKey, IsUpperCaseWithUnderscores) {
  constexpr std::string_view kName = "x-Request-ID2";
  std::array<char, header_key_bytes(kName.size())> space{};

  EXPECT_EQ(write_header_key(kName, space.data()), "HTTP_X_REQUEST_ID2");
}

TEST(HiddenVariable, HidesWhatIsConsumedOrInternal) {
  EXPECT_TRUE(is_hidden_variable("HTTPS"));
  EXPECT_TRUE(is_hidden_variable("HTTP_PROXY"));
  EXPECT_TRUE(is_hidden_variable("mod_wsgi.x-anything"));
  EXPECT_FALSE(is_hidden_variable("SSL_PROTOCOL"));
}

TEST(Https, IsOnOrOne) {
  EXPECT_TRUE(means_https("on"));
  EXPECT_TRUE(means_https("ON"));
  EXPECT_TRUE(means_https("1"));
  EXPECT_FALSE(means_https("off"));
  EXPECT_FALSE(means_https(""));
}

TEST(Slashes, CollapseToOneAndKeepTheTrailingOne) {
  EXPECT_EQ(collapse_slashes("//a///b//"), "/a/b/");
  EXPECT_TRUE(has_repeated_slash("/a//b"));
  EXPECT_FALSE(has_repeated_slash("/a/b/"));
}

TEST(ContentLength, AcceptsDigitsOnlyAndNoOverflow) {
  EXPECT_EQ(parse_body_length("0"), 0);
  EXPECT_EQ(parse_body_length("9223372036854775807"), 9223372036854775807);
  EXPECT_EQ(parse_body_length("9223372036854775808"), std::nullopt);
  EXPECT_EQ(parse_body_length("-1"), std::nullopt);
  EXPECT_EQ(parse_body_length("+1"), std::nullopt);
  EXPECT_EQ(parse_body_length(" 1"), std::nullopt);
  EXPECT_EQ(parse_body_length(""), std::nullopt);
}

TEST(RequestLine, GivesTheTargetAsSent) {
  EXPECT_EQ(target_of_request_line("GET //a?b=%20 HTTP/1.1"), "//a?b=%20");
  EXPECT_EQ(target_of_request_line("GET /old"), "/old");
  EXPECT_EQ(target_of_request_line("GET"), "");
  EXPECT_EQ(target_of_request_line(""), "");
}

TEST(Alias, EndsAtTheEndOrBeforeASlash) {
  EXPECT_EQ(match_alias("/app", "/app"), 4u);
  EXPECT_EQ(match_alias("/app/x", "/app"), 4u);
  EXPECT_EQ(match_alias("/apple", "/app"), 0u);
  EXPECT_EQ(match_alias("/APP", "/app"), 0u);
  EXPECT_EQ(match_alias("/x", "/"), 1u);
  EXPECT_EQ(match_alias("", "/"), 0u);
}

TEST(Alias, TreatsRunsOfSlashesAsOne) {
  EXPECT_EQ(match_alias("///a//b/c", "//a/b"), 7u);
  EXPECT_EQ(match_alias("/a//", "/a/"), 4u);
  EXPECT_EQ(match_alias("/a/b", "/a/"), 3u);
  EXPECT_EQ(match_alias("/a", "/a/"), 0u);
}

GroupNameFacts facts() {
  GroupNameFacts facts;
  facts.server_name = "shop.example";
  facts.request_host = "abc.example";
  facts.port = 8080;
  facts.script_name = "/app";
  facts.lookup = [](std::string_view name) -> std::optional<std::string_view> {
    if (name == "site") return "blue";
    if (name == "server") return "%{SERVER}";
    if (name == "loop") return "%{ENV:loop}";
    return std::nullopt;
  };
  return facts;
}

TEST(GroupName, ExpandsEachTokenOfTheContract) {
  EXPECT_EQ(expand_group_name("%{GLOBAL}", facts()), "");
  EXPECT_EQ(expand_group_name("%{SERVER}", facts()), "shop.example:8080");
  EXPECT_EQ(expand_group_name("%{HOST}", facts()), "abc.example:8080");
  EXPECT_EQ(expand_group_name("%{RESOURCE}", facts()), "shop.example:8080|/app");
  EXPECT_EQ(expand_group_name("%{ENV:site}", facts()), "blue");
}

TEST(GroupName, LeavesOutBothWellKnownPorts) {
  GroupNameFacts plain = facts();

  plain.port = 80;
  EXPECT_EQ(expand_group_name("%{RESOURCE}", plain), "shop.example|/app");
  plain.port = 443;
  EXPECT_EQ(expand_group_name("%{SERVER}", plain), "shop.example");
}

TEST(GroupName, ExpandsAVariablesValueOnceMoreButNeverInACircle) {
  EXPECT_EQ(expand_group_name("%{ENV:server}", facts()), "shop.example:8080");
  EXPECT_EQ(expand_group_name("%{ENV:loop}", facts()), "%{ENV:loop}");
}

TEST(GroupName, KeepsWhatItDoesNotKnow) {
  EXPECT_EQ(expand_group_name("shop", facts()), "shop");
  EXPECT_EQ(expand_group_name("x%{GLOBAL}", facts()), "x%{GLOBAL}");
  EXPECT_EQ(expand_group_name("%{NOSUCH}", facts()), "%{NOSUCH}");
  EXPECT_EQ(expand_group_name("%{ENV:unset}", facts()), "%{ENV:unset}");
}

TEST(CallableName, FallsBackToApplication) {
  EXPECT_EQ(expand_callable_name("create_app", facts()), "create_app");
  EXPECT_EQ(expand_callable_name("%{ENV:site}", facts()), "blue");
  EXPECT_EQ(expand_callable_name("%{ENV:unset}", facts()), "application");
  EXPECT_EQ(expand_callable_name("%{GLOBAL}", facts()), "application");
}

TEST(LiteralGroupName, IsOneThatNoRequestChanges) {
  for (const char* const own : {"shop", "%{GLOBAL}", "%{SERVER}", "%{RESOURCE}", "x%{HOST}"}) {
    EXPECT_FALSE(is_named_by_request(own)) << own;
  }
  EXPECT_TRUE(is_named_by_request("%{HOST}"));
  EXPECT_TRUE(is_named_by_request("%{ENV:SITE}"));
  EXPECT_TRUE(is_literal_group_name("shop"));
  EXPECT_TRUE(is_literal_group_name("%{GLOBAL}"));
  EXPECT_FALSE(is_literal_group_name("%{SERVER}"));
  EXPECT_EQ(literal_group_name("%{GLOBAL}"), "");
  EXPECT_EQ(literal_group_name("shop"), "shop");
}

}  // namespace
}  // namespace wsgix::wsgi

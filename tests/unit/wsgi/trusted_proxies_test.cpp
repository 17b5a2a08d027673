// SPDX-License-Identifier: Apache-2.0
// What headers of trusted and other peers do to environ, rule by rule.
#include "wsgix/wsgi/trusted_proxies.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>

namespace wsgix::wsgi {
namespace {

using Environ = std::map<std::string, std::string, std::less<>>;

struct Case {
  std::string_view claim;
  std::vector<std::string_view> headers;
  std::vector<std::string_view> proxies;  ///< empty: the directive is not set
  Environ before;
  Environ after;
  ForwardedScheme scheme = ForwardedScheme::Absent;
};

Environ with_peer(Environ environ) {
  environ.try_emplace("REMOTE_ADDR", "10.0.0.1");
  return environ;
}

Rewrite rewrite(const Case& c, const Environ& environ) {
  std::vector<ProxyHeader> headers;
  for (const auto name : c.headers) headers.push_back(proxy_header_named(name).value());
  std::vector<Network> networks;
  for (const auto text : c.proxies) networks.push_back(parse_network(text).value());
  return rewrite_for_proxies({headers, c.proxies.empty() ? nullptr : &networks},
                             [&](std::string_view name) -> std::optional<std::string_view> {
                               const auto found = environ.find(name);
                               return found == environ.end()
                                          ? std::nullopt
                                          : std::optional<std::string_view>(found->second);
                             });
}

void check(const std::vector<Case>& cases) {
  for (const Case& c : cases) {
    Environ environ = with_peer(c.before);

    const Rewrite changes = rewrite(c, environ);
    for (const auto name : changes.removed) {
      EXPECT_EQ(environ.erase(std::string(name)), 1u) << c.claim;
    }
    for (const auto& change : changes.set) environ[std::string(change.name)] = change.value;

    EXPECT_EQ(environ, with_peer(c.after)) << c.claim;
    EXPECT_EQ(changes.scheme, c.scheme) << c.claim;
  }
}

TEST(TrustedProxies, RewriteTheKeyOfEachVerbatimHeader) {
  struct {
    std::string_view header;
    std::string key;
    std::string target;
  } const kVerbatim[] = {
      {"X-Client-IP", "HTTP_X_CLIENT_IP", "REMOTE_ADDR"},
      {"x-real-ip", "HTTP_X_REAL_IP", "REMOTE_ADDR"},
      {"X-Forwarded-Host", "HTTP_X_FORWARDED_HOST", "HTTP_HOST"},
      {"X-Host", "HTTP_X_HOST", "HTTP_HOST"},
      {"X-Forwarded-Server", "HTTP_X_FORWARDED_SERVER", "SERVER_NAME"},
      {"X-Forwarded-Port", "HTTP_X_FORWARDED_PORT", "SERVER_PORT"},
      {"X-Script-Name", "HTTP_X_SCRIPT_NAME", "SCRIPT_NAME"},
      {"X-Forwarded-Script-Name", "HTTP_X_FORWARDED_SCRIPT_NAME", "SCRIPT_NAME"},
  };
  for (const auto& row : kVerbatim) {
    Environ after{{row.key, "a, [b]:1"}, {row.target, "a, [b]:1"}};
    if (row.target == "SCRIPT_NAME") after["mod_wsgi.mount_point"] = "a, [b]:1";

    check({{row.header, {row.header}, {}, {{row.key, "a, [b]:1"}, {row.target, "old"}}, after}});
  }
}

TEST(TrustedProxies, ReadTheSchemeInTheGrammarOfEachHeader) {
  struct {
    std::string_view header;
    std::string key;
    bool is_switch;
  } const kScheme[] = {
      {"X-Forwarded-Proto", "HTTP_X_FORWARDED_PROTO", false},
      {"X-Forwarded-Scheme", "HTTP_X_FORWARDED_SCHEME", false},
      {"X-Scheme", "HTTP_X_SCHEME", false},
      {"X-Forwarded-HTTPS", "HTTP_X_FORWARDED_HTTPS", true},
      {"X-Forwarded-SSL", "HTTP_X_FORWARDED_SSL", true},
      {"X-HTTPS", "HTTP_X_HTTPS", true},
  };
  struct {
    std::string value;
    ForwardedScheme as_name;
    ForwardedScheme as_switch;
  } const kValues[] = {
      {"https", ForwardedScheme::Https, ForwardedScheme::Unclear},
      {"HTTP", ForwardedScheme::Http, ForwardedScheme::Unclear},
      {"On", ForwardedScheme::Unclear, ForwardedScheme::Https},
      {"true", ForwardedScheme::Unclear, ForwardedScheme::Https},
      {"1", ForwardedScheme::Unclear, ForwardedScheme::Https},
      {"off", ForwardedScheme::Unclear, ForwardedScheme::Http},
      {"FALSE", ForwardedScheme::Unclear, ForwardedScheme::Http},
      {"0", ForwardedScheme::Unclear, ForwardedScheme::Http},
      {"", ForwardedScheme::Unclear, ForwardedScheme::Unclear},
      {"https, http", ForwardedScheme::Unclear, ForwardedScheme::Unclear},
  };
  for (const auto& row : kScheme) {
    for (const auto& value : kValues) {
      const Environ environ{{row.key, value.value}};

      check({{row.header,
              {row.header},
              {},
              environ,
              environ,
              row.is_switch ? value.as_switch : value.as_name}});
    }
  }
}

const Environ kSpoofed{{"HTTP_X_FORWARDED_FOR", "1.1.1.1"}, {"HTTP_X_REAL_IP", "2.2.2.2"},
                       {"HTTP_X_FORWARDED_HOST", "evil"},   {"HTTP_X_FORWARDED_PROTO", "https"},
                       {"HTTP_FORWARDED", "for=3.3.3.3"},   {"HTTP_X_OTHER", "stays"}};

TEST(TrustedProxies, TouchOnlyListedCategoriesAndRemoveTheirSynonyms) {
  check({
      {"a trusted peer's header is kept, its synonyms are not",
       {"X-Forwarded-For"},
       {"10.0.0.0/8"},
       kSpoofed,
       {{"REMOTE_ADDR", "1.1.1.1"},
        {"HTTP_X_FORWARDED_FOR", "1.1.1.1"},
        {"HTTP_X_FORWARDED_HOST", "evil"},
        {"HTTP_X_FORWARDED_PROTO", "https"},
        {"HTTP_X_OTHER", "stays"}}},
      {"synonyms go even when the listed header is absent",
       {"X-Client-IP"},
       {},
       {{"HTTP_X_FORWARDED_FOR", "1.1.1.1"}, {"HTTP_X_HOST", "stays"}},
       {{"HTTP_X_HOST", "stays"}}},
      {"nothing of an untrusted peer's survives in the category",
       {"X-Forwarded-For", "X-Forwarded-Proto"},
       {"192.0.2.0/24"},
       kSpoofed,
       {{"HTTP_X_FORWARDED_HOST", "evil"}, {"HTTP_X_OTHER", "stays"}}},
      {"a peer without a numeric address is not trusted",
       {"X-Real-IP"},
       {"0.0.0.0/0"},
       {{"REMOTE_ADDR", "somewhere"}, {"HTTP_X_REAL_IP", "2.2.2.2"}},
       {{"REMOTE_ADDR", "somewhere"}}},
      {"a mapped peer is the IPv4 peer",
       {"X-Real-IP"},
       {"10.0.0.0/8"},
       {{"REMOTE_ADDR", "::ffff:10.0.0.1"}, {"HTTP_X_REAL_IP", "2.2.2.2"}},
       {{"REMOTE_ADDR", "2.2.2.2"}, {"HTTP_X_REAL_IP", "2.2.2.2"}}},
  });
}

TEST(TrustedProxies, LetTheLastListedHeaderOfACategoryWin) {
  const Environ both{{"HTTP_X_FORWARDED_HOST", "first"}, {"HTTP_X_HOST", "second"}};
  check({
      {"as written",
       {"X-Forwarded-Host", "X-Host"},
       {},
       both,
       {{"HTTP_HOST", "second"}, {"HTTP_X_HOST", "second"}}},
      {"the other way round",
       {"X-Host", "X-Forwarded-Host"},
       {},
       both,
       {{"HTTP_HOST", "first"}, {"HTTP_X_FORWARDED_HOST", "first"}}},
      {"only those that are there compete",
       {"X-Forwarded-Host", "X-Host"},
       {},
       {{"HTTP_X_FORWARDED_HOST", "first"}},
       {{"HTTP_HOST", "first"}, {"HTTP_X_FORWARDED_HOST", "first"}}},
      {"a loser's rewritten value goes with it",
       {"X-Forwarded-For", "X-Real-IP"},
       {"10.0.0.0/8"},
       {{"HTTP_X_FORWARDED_FOR", "1.1.1.1, 10.0.0.2"}, {"HTTP_X_REAL_IP", "2.2.2.2"}},
       {{"REMOTE_ADDR", "2.2.2.2"}, {"HTTP_X_REAL_IP", "2.2.2.2"}}},
  });
}

struct ChainCase {
  std::string header;
  std::string client;  ///< REMOTE_ADDR afterwards
  std::string kept;    ///< the header afterwards
};

void check_chain(std::string_view name, const std::string& key, bool with_list,
                 const std::vector<ChainCase>& chains) {
  for (const ChainCase& chain : chains) {
    const std::vector<std::string_view> list{"10.0.0.0/8", "2001:db8::/32"};
    check({{chain.header,
            {name},
            with_list ? list : std::vector<std::string_view>{},
            {{key, chain.header}},
            {{"REMOTE_ADDR", chain.client}, {key, chain.kept}}}});
  }
}

TEST(TrustedProxies, TakeTheFirstForwardedForWithoutAList) {
  check_chain("X-Forwarded-For", "HTTP_X_FORWARDED_FOR", false,
              {{"1.1.1.1", "1.1.1.1", "1.1.1.1"},
               {", 1.1.1.1 ,2.2.2.2", "1.1.1.1", ", 1.1.1.1 ,2.2.2.2"},
               {"1.1.1.1:99, 2.2.2.2", "1.1.1.1", "1.1.1.1:99, 2.2.2.2"},
               {"[2001:db8::1]:99", "2001:db8::1", "[2001:db8::1]:99"},
               {"unknown, 2.2.2.2", "unknown", "unknown, 2.2.2.2"},
               {" , ", "10.0.0.1", " , "}});
}

TEST(TrustedProxies, WalkForwardedForFromTheRightWithAList) {
  check_chain("X-Forwarded-For", "HTTP_X_FORWARDED_FOR", true,
              {{"1.1.1.1", "1.1.1.1", "1.1.1.1"},
               {"9.9.9.9, 1.1.1.1", "1.1.1.1", "1.1.1.1"},
               {"9.9.9.9,1.1.1.1,,10.0.0.2", "1.1.1.1", "1.1.1.1, 10.0.0.2"},
               {"9.9.9.9, 1.1.1.1, 10.0.0.3, 10.0.0.2", "1.1.1.1", "1.1.1.1, 10.0.0.3, 10.0.0.2"},
               {"10.0.0.3, 10.0.0.2", "10.0.0.3", "10.0.0.3, 10.0.0.2"},
               {"10.0.0.3, 1.1.1.1", "1.1.1.1", "1.1.1.1"},
               {"1.1.1.1:5, [2001:db8::7]:80", "1.1.1.1", "1.1.1.1:5, [2001:db8::7]:80"},
               {"1.1.1.1, ::ffff:10.0.0.2", "1.1.1.1", "1.1.1.1, ::ffff:10.0.0.2"},
               {"1.1.1.1, proxy.example", "proxy.example", "proxy.example"},
               {" , ", "10.0.0.1", " , "}});
}

TEST(TrustedProxies, TakeTheFirstForwardedWithoutAList) {
  check_chain("Forwarded", "HTTP_FORWARDED", false,
              {{"for=1.1.1.1, for=2.2.2.2", "1.1.1.1", "for=1.1.1.1, for=2.2.2.2"},
               {"for=\"[2001:db8::1]:99\"", "2001:db8::1", "for=\"[2001:db8::1]:99\""},
               {"for=unknown, for=2.2.2.2", "10.0.0.1", "for=unknown, for=2.2.2.2"},
               {"by=2.2.2.2", "10.0.0.1", "by=2.2.2.2"}});
}

TEST(TrustedProxies, WalkForwardedFromTheRightWithAList) {
  check_chain("Forwarded", "HTTP_FORWARDED", true,
              {{"for=9.9.9.9, for=1.1.1.1", "1.1.1.1", "for=1.1.1.1"},
               {"for=9.9.9.9,For=1.1.1.1;by=x,for=\"10.0.0.2:80\"", "1.1.1.1",
                "For=1.1.1.1;by=x, for=\"10.0.0.2:80\""},
               {"for=10.0.0.3, for=10.0.0.2", "10.0.0.3", "for=10.0.0.3, for=10.0.0.2"},
               {"for=9.9.9.9, for=_hidden", "10.0.0.1", "for=_hidden"},
               {"for=unknown, for=10.0.0.2", "10.0.0.2", "for=unknown, for=10.0.0.2"},
               {"for=proxy.example, for=10.0.0.2", "10.0.0.2", "for=proxy.example, for=10.0.0.2"}});
}

TEST(TrustedProxies, TakeHostAndSchemeFromTheClientsElement) {
  check({
      {"with a list",
       {"Forwarded"},
       {"10.0.0.0/8"},
       {{"HTTP_FORWARDED",
         "for=9.9.9.9;host=evil, for=1.1.1.1;host=shop;proto=HTTPS, "
         "for=10.0.0.2;host=inner;proto=http"}},
       {{"REMOTE_ADDR", "1.1.1.1"},
        {"HTTP_HOST", "shop"},
        {"HTTP_FORWARDED",
         "for=1.1.1.1;host=shop;proto=HTTPS, for=10.0.0.2;host=inner;proto=http"}},
       ForwardedScheme::Https},
      {"what it does not say stays",
       {"Forwarded"},
       {},
       {{"HTTP_FORWARDED", "for=1.1.1.1"}, {"HTTP_HOST", "plain"}},
       {{"REMOTE_ADDR", "1.1.1.1"}, {"HTTP_FORWARDED", "for=1.1.1.1"}, {"HTTP_HOST", "plain"}}},
      {"a category that it does not speak of is won by another header",
       {"X-Forwarded-Host", "X-Forwarded-Proto", "Forwarded"},
       {},
       {{"HTTP_FORWARDED", "for=1.1.1.1;proto=ftp"},
        {"HTTP_X_FORWARDED_HOST", "shop"},
        {"HTTP_X_FORWARDED_FOR", "2.2.2.2"}},
       {{"HTTP_FORWARDED", "for=1.1.1.1;proto=ftp"},
        {"REMOTE_ADDR", "1.1.1.1"},
        {"HTTP_HOST", "shop"},
        {"HTTP_X_FORWARDED_HOST", "shop"}},
       ForwardedScheme::Unclear},
      {"a malformed one is no header, and is removed",
       {"Forwarded"},
       {},
       {{"HTTP_FORWARDED", "for=\"1.1.1.1"}, {"HTTP_X_HOST", "evil"}},
       {}},
  });
}

TEST(ProxyHeader, IsKnownInAnyCaseAndOnlyInFull) {
  EXPECT_EQ(proxy_header_named("x-forwarded-for"), proxy_header_named("X-Forwarded-For"));
  EXPECT_TRUE(proxy_header_named("FORWARDED"));
  EXPECT_FALSE(proxy_header_named("X-Forwarded"));
  EXPECT_FALSE(proxy_header_named("X_Forwarded_For"));
}

TEST(HeaderName, IsAToken) {
  EXPECT_TRUE(is_header_name("X-Forwarded-For"));
  EXPECT_TRUE(is_header_name("X_Forwarded~1!"));
  for (const auto* name :
       {"", "X Real", "X-Real-IP:", "X-Real,X-Host", "(X)", "X\xc3\xa9", "\"X\""}) {
    EXPECT_FALSE(is_header_name(name)) << name;
  }
}

}  // namespace
}  // namespace wsgix::wsgi

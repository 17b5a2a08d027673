// SPDX-License-Identifier: Apache-2.0
// Lines: a network, a peer, then the values of X-Forwarded-For, Forwarded and another header.
// Whatever they say, a header that was rewritten once is not rewritten again, and says the same.
#include <map>
#include <string>

#include "fuzz_input.hpp"
#include "wsgix/wsgi/trusted_proxies.hpp"

namespace {

using namespace wsgix::wsgi;
using wsgix::fuzz::require;
using wsgix::fuzz::take_line;
using Environ = std::map<std::string, std::string, std::less<>>;

Rewrite rewrite(const TrustedProxies& trusted, const Environ& environ) {
  return rewrite_for_proxies(trusted,
                             [&](std::string_view name) -> std::optional<std::string_view> {
                               const auto found = environ.find(name);
                               if (found == environ.end()) return std::nullopt;
                               return found->second;
                             });
}

Environ carried_out(Environ environ, const Rewrite& changes) {
  for (const auto name : changes.removed) require(environ.erase(std::string(name)) == 1);
  for (const auto& change : changes.set) environ[std::string(change.name)] = change.value;
  return environ;
}

void rewrite_twice(const TrustedProxies& trusted, const Environ& environ) {
  Environ once = carried_out(environ, rewrite(trusted, environ));
  const std::string client = once["REMOTE_ADDR"];
  once["REMOTE_ADDR"] = environ.at("REMOTE_ADDR");

  Environ twice = carried_out(once, rewrite(trusted, once));

  require(twice["REMOTE_ADDR"] == client);
  twice["REMOTE_ADDR"] = once["REMOTE_ADDR"];
  require(twice == once);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string_view rest = wsgix::fuzz::view_of(data, size);
  const auto network = parse_network(take_line(rest));
  Environ environ{{"REMOTE_ADDR", std::string(take_line(rest))}};
  for (const auto* key : {"HTTP_X_FORWARDED_FOR", "HTTP_FORWARDED", "HTTP_X_HTTPS"}) {
    if (std::string value(take_line(rest)); !value.empty()) environ[key] = std::move(value);
  }
  if (const auto part = numeric_part(environ["REMOTE_ADDR"]))
    require(parse_address(*part).has_value());

  std::vector<Network> networks;
  if (network) networks.push_back(*network);
  for (const auto* name : {"X-Forwarded-For", "Forwarded"}) {
    const std::vector<ProxyHeader> headers{*proxy_header_named(name)};
    rewrite_twice({headers, nullptr}, environ);
    rewrite_twice({headers, &networks}, environ);
  }
  return 0;
}

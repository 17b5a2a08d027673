// SPDX-License-Identifier: Apache-2.0
// wsgi/trusted_proxies.hpp: what a proxy's headers may change in environ (WSGITrustedProxies,
// WSGITrustedProxyHeaders).
//
// Decides only: the caller looks keys up and carries the changes out. No network, no resolver.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "wsgix/wsgi/address.hpp"

namespace wsgix::wsgi {

/// A header that has an effect; opaque, and small enough to be kept by value.
enum class ProxyHeader : std::uint8_t {};

/// Ignoring case; nullopt for a header without an effect.
std::optional<ProxyHeader> proxy_header_named(std::string_view name) noexcept;
/// Can a request header have that name at all (RFC 9110, token)?
bool is_header_name(std::string_view name) noexcept;

struct TrustedProxies {
  const std::vector<ProxyHeader>& headers;  ///< in the order of the directive
  const std::vector<Network>* networks;     ///< nullptr: every peer is trusted
};

/// What a trusted header said about the scheme.
enum class ForwardedScheme : std::uint8_t {
  Absent,   ///< no such header: ask mod_ssl
  Unclear,  ///< there was one without a meaning: mod_ssl is not asked
  Http,
  Https,
};

struct EnvironChange {
  std::string_view name;  ///< a constant of the program
  std::string value;

  bool operator==(const EnvironChange&) const = default;
};

struct Rewrite {
  std::vector<std::string_view> removed;  ///< HTTP_* keys that the application must not see
  std::vector<EnvironChange> set;         ///< no name twice, none that is also removed
  ForwardedScheme scheme = ForwardedScheme::Absent;
};

/// Finds a key of environ.
using EnvironLookup = std::function<std::optional<std::string_view>(std::string_view)>;

/// The rules, for a request whose environ is complete but for them.
Rewrite rewrite_for_proxies(const TrustedProxies& trusted, const EnvironLookup& find);

}  // namespace wsgix::wsgi

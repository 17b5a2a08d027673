// SPDX-License-Identifier: Apache-2.0
// The setters of WSGITrustedProxies and WSGITrustedProxyHeaders: one call for each word of a line.
#include "directives.hpp"
#include "pool.hpp"

namespace wsgix::httpd {
namespace {

/// The section's own list, which its first line makes; lines of the same section append.
template <typename T>
std::vector<T>& list_of(const Line& line, std::vector<T>* DirConfig::*member) {
  std::vector<T>*& list = line.directory.*member;
  if (list == nullptr) list = &make_in_pool<std::vector<T>>(line.cmd.pool);
  return *list;
}

}  // namespace

Result<void> add_trusted_proxy(Line& line, std::string_view value) {
  const auto network = wsgi::parse_network(value);
  if (!network) {
    return refused(line, "Unable to parse trusted proxy IP address/subnet of '" +
                             std::string(value) + "': an IPv4 or IPv6 address or CIDR is accepted");
  }
  list_of(line, &DirConfig::trusted_proxies).push_back(*network);
  return {};
}

Result<void> add_trusted_proxy_header(Line& line, std::string_view value) {
  if (!wsgi::is_header_name(value)) {
    return refused(line, "'" + std::string(value) + "' cannot be the name of a header");
  }
  // A list of nothing but unknown names is a list: it replaces an outer one.
  auto& headers = list_of(line, &DirConfig::trusted_proxy_headers);
  if (const auto header = wsgi::proxy_header_named(value)) {
    headers.push_back(*header);
  } else {
    notice(line, {ErrorCode::SettingHadNoEffect,
                  "WSGITrustedProxyHeaders: header '" + std::string(value) +
                      "' is not one that can be trusted, and is ignored",
                  0, "remove it, or correct the name; docs/directives has the list"});
  }
  return {};
}

}  // namespace wsgix::httpd

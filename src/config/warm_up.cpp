// SPDX-License-Identifier: Apache-2.0
#include "wsgix/config/warm_up.hpp"

#include <algorithm>

namespace wsgix::config {
namespace {

constexpr std::string_view kNameCharacters =
    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-";
constexpr std::string_view kLiteralCharacters = "abcdefABCDEF0123456789:.[]";

/// Takes the host apart. False: it is none.
bool take_port(WarmUpTarget& target) {
  const std::size_t bracket = target.host.find(']');  // behind an IPv6 address
  const std::size_t colon = target.host.find(':', bracket == std::string::npos ? 0 : bracket);
  target.server_name = target.host.substr(0, colon);
  if (colon != std::string::npos) {
    target.server_port = target.host.substr(colon + 1);
    const bool is_number = !target.server_port.empty() && target.server_port.size() <= 5 &&
                           target.server_port.find_first_not_of("0123456789") == std::string::npos;
    if (!is_number) return false;
  }
  const bool is_literal = target.server_name.starts_with('[');
  return !target.server_name.empty() && is_literal == target.server_name.ends_with(']') &&
         target.server_name.find_first_not_of(is_literal ? kLiteralCharacters : kNameCharacters) ==
             std::string::npos;
}

bool is_printable(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return c > ' ' && c < 127; });
}

}  // namespace

std::optional<WarmUpTarget> warm_up_target(std::string_view text) {
  if (!is_printable(text)) return std::nullopt;
  WarmUpTarget target;
  target.https = text.starts_with("https://");
  target.server_port = target.https ? "443" : "80";
  if (target.https || text.starts_with("http://")) {
    text.remove_prefix(text.find("//") + 2);
    const std::size_t host_end = std::min(text.find('/'), text.size());
    target.host = text.substr(0, host_end);
    if (!take_port(target)) return std::nullopt;
    text.remove_prefix(host_end);
  }
  const std::size_t path_end = std::min(text.find('?'), text.size());
  target.path = text.substr(0, path_end);
  if (path_end < text.size()) target.query = text.substr(path_end + 1);
  const bool is_plain =
      target.path.starts_with('/') && target.path.find_first_of("%#") == std::string::npos;
  if (!is_plain || target.query.find('#') != std::string::npos) return std::nullopt;
  return target;
}

}  // namespace wsgix::config

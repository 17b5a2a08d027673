// SPDX-License-Identifier: Apache-2.0
#include "wsgix/wsgi/environ.hpp"

#include <algorithm>
#include <array>
#include <limits>

namespace wsgix::wsgi {
namespace {

constexpr char lower(char c) noexcept {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c + ('a' - 'A')) : c;
}

enum : char { kRefused = 0 };

/// For each byte of a header name what stands in its place in the key, or kRefused.
constexpr std::array<char, 256> kKeyByte = [] {
  std::array<char, 256> table{};
  for (char c = '0'; c <= '9'; ++c) table[static_cast<unsigned char>(c)] = c;
  for (char c = 'A'; c <= 'Z'; ++c) {
    table[static_cast<unsigned char>(c)] = c;
    table[static_cast<unsigned char>(lower(c))] = c;
  }
  table['-'] = '_';
  return table;
}();

constexpr struct {
  std::string_view name;
  HeaderRole role;
} kSpecialHeaders[] = {
    {"content-type", HeaderRole::ContentType},
    {"content-length", HeaderRole::ContentLength},
    {"authorization", HeaderRole::Authorization},
    {"proxy-authorization", HeaderRole::ProxyAuthorization},
    // As HTTP_PROXY it would redirect the outgoing requests of many libraries (CVE-2016-5385).
    {"proxy", HeaderRole::Dropped},
};

bool is_token(std::string_view value) noexcept {
  return value.size() > 3 && value.starts_with("%{") && value.back() == '}';
}

constexpr std::string_view kEnvToken = "%{ENV:";

std::string with_port(std::string_view host, unsigned port) {
  std::string name(host);
  if (port != 80 && port != 443) name.append(":").append(std::to_string(port));
  return name;
}

std::optional<std::string_view> look_up(std::string_view token, const GroupNameFacts& facts) {
  if (!facts.lookup) return std::nullopt;
  const std::string_view name = token.substr(kEnvToken.size());
  return facts.lookup(name.substr(0, name.size() - 1));
}

}  // namespace

bool equals_ignoring_case(std::string_view one, std::string_view other) noexcept {
  return one.size() == other.size() &&
         std::equal(one.begin(), one.end(), other.begin(),
                    [](char a, char b) { return lower(a) == lower(b); });
}

HeaderRole role_of_header(std::string_view name) noexcept {
  for (const auto& special : kSpecialHeaders) {
    if (equals_ignoring_case(name, special.name)) return special.role;
  }
  const bool plain = !name.empty() && std::all_of(name.begin(), name.end(), [](char c) {
    return kKeyByte[static_cast<unsigned char>(c)] != kRefused;
  });
  return plain ? HeaderRole::Plain : HeaderRole::Dropped;
}

std::string_view write_header_key(std::string_view name, char* into) noexcept {
  constexpr std::string_view kPrefix = "HTTP_";
  char* const rest = std::copy(kPrefix.begin(), kPrefix.end(), into);
  std::transform(name.begin(), name.end(), rest,
                 [](char c) { return kKeyByte[static_cast<unsigned char>(c)]; });
  return {into, header_key_bytes(name.size())};
}

bool is_hidden_variable(std::string_view name) noexcept {
  return name == "HTTPS" || name == "GATEWAY_INTERFACE" || name == "HTTP_PROXY" ||
         name.starts_with("mod_wsgi.");
}

bool means_https(std::string_view value) noexcept {
  return value == "1" || equals_ignoring_case(value, "on");
}

bool has_repeated_slash(std::string_view path) noexcept {
  return path.find("//") != std::string_view::npos;
}

std::string collapse_slashes(std::string_view path) {
  std::string collapsed(path);
  const auto both_slashes = [](char a, char b) { return a == '/' && b == '/'; };
  collapsed.erase(std::unique(collapsed.begin(), collapsed.end(), both_slashes), collapsed.end());
  return collapsed;
}

std::optional<std::int64_t> parse_body_length(std::string_view text) noexcept {
  if (text.empty()) return std::nullopt;
  std::int64_t value = 0;
  for (const char c : text) {
    if (c < '0' || c > '9') return std::nullopt;
    const std::int64_t digit = c - '0';
    if (value > (std::numeric_limits<std::int64_t>::max() - digit) / 10) return std::nullopt;
    value = value * 10 + digit;
  }
  return value;
}

std::string_view target_of_request_line(std::string_view line) noexcept {
  constexpr std::string_view kBlanks = " \t";
  const std::size_t method_end = std::min(line.find_first_of(kBlanks), line.size());
  const std::size_t begin = std::min(line.find_first_not_of(kBlanks, method_end), line.size());
  return line.substr(begin, line.find_first_of(kBlanks, begin) - begin);
}

std::optional<bool> parse_flag(std::string_view value) noexcept {
  if (equals_ignoring_case(value, "on")) return true;
  if (equals_ignoring_case(value, "off")) return false;
  return std::nullopt;
}

std::size_t match_alias(std::string_view uri, std::string_view alias) noexcept {
  if (alias.empty()) return 0;
  std::size_t at = 0;
  for (std::size_t i = 0; i < alias.size();) {
    if (at >= uri.size()) return 0;
    if (alias[i] == '/') {
      if (uri[at] != '/') return 0;
      while (i < alias.size() && alias[i] == '/') ++i;
      while (at < uri.size() && uri[at] == '/') ++at;
    } else {
      if (alias[i++] != uri[at++]) return 0;
    }
  }
  const bool at_boundary = alias.back() == '/' || at == uri.size() || uri[at] == '/';
  return at_boundary ? at : 0;
}

std::string expand_group_name(std::string_view value, const GroupNameFacts& facts) {
  if (!is_token(value)) return std::string(value);
  if (value == "%{GLOBAL}") return {};
  if (value == "%{SERVER}") return with_port(facts.server_name, facts.port);
  if (value == "%{HOST}") return with_port(facts.request_host, facts.port);
  if (value == "%{RESOURCE}") {
    return with_port(facts.server_name, facts.port).append("|").append(facts.script_name);
  }
  if (value.starts_with(kEnvToken)) {
    const std::optional<std::string_view> found = look_up(value, facts);
    if (!found) return std::string(value);
    // Once more, but never through another %{ENV:...}: that could go on for ever.
    if (!found->starts_with(kEnvToken)) return expand_group_name(*found, facts);
    return std::string(*found);
  }
  return std::string(value);
}

bool is_named_by_request(std::string_view value) noexcept {
  return value == "%{HOST}" || (is_token(value) && value.starts_with(kEnvToken));
}

std::string expand_callable_name(std::string_view value, const GroupNameFacts& facts) {
  if (!value.starts_with('%')) return std::string(value);
  if (is_token(value) && value.starts_with(kEnvToken)) {
    const std::optional<std::string_view> found = look_up(value, facts);
    if (found && !found->empty() && !found->starts_with('%')) return std::string(*found);
  }
  return "application";
}

bool is_literal_group_name(std::string_view value) noexcept {
  return value == "%{GLOBAL}" || value.find("%{") == std::string_view::npos;
}

std::string_view literal_group_name(std::string_view value) noexcept {
  return value == "%{GLOBAL}" ? std::string_view() : value;
}

}  // namespace wsgix::wsgi

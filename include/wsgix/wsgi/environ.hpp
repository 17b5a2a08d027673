// SPDX-License-Identifier: Apache-2.0
// wsgi/environ.hpp: what CGI, PEP 3333 and the contract say about a request before any Python
// runs: names of environ keys, what is left out, the script/path split, names of groups.
//
// Pure functions over text. Knows neither httpd nor Python.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

namespace wsgix::wsgi {

/// ASCII only: the system's locale has no say in protocol text.
bool equals_ignoring_case(std::string_view one, std::string_view other) noexcept;
/// "On" or "off" as httpd's directives take them; nothing for any other text.
std::optional<bool> parse_flag(std::string_view value) noexcept;

/// Where a request header goes.
enum class HeaderRole : std::uint8_t {
  Plain,               ///< HTTP_<NAME>
  ContentType,         ///< CONTENT_TYPE
  ContentLength,       ///< CONTENT_LENGTH
  Authorization,       ///< HTTP_AUTHORIZATION, only where the configuration passes it
  ProxyAuthorization,  ///< HTTP_PROXY_AUTHORIZATION, likewise
  Dropped,             ///< "Proxy", and names with anything but letters, digits and '-'
};
HeaderRole role_of_header(std::string_view name) noexcept;

/// Bytes that write_header_key() writes for a header name of that length.
constexpr std::size_t header_key_bytes(std::size_t name_bytes) noexcept { return name_bytes + 5; }
/// "User-Agent" as "HTTP_USER_AGENT". `into` has header_key_bytes(name.size()) bytes.
std::string_view write_header_key(std::string_view name, char* into) noexcept;

/// Variables of httpd's own table that no application may see.
bool is_hidden_variable(std::string_view name) noexcept;
/// Does this value of the variable HTTPS mean a secure request?
bool means_https(std::string_view value) noexcept;

bool has_repeated_slash(std::string_view path) noexcept;
/// Runs of '/' become one; a trailing '/' stays.
std::string collapse_slashes(std::string_view path);

/// Plain decimal digits that fit; anything else, a sign included, is nullopt.
std::optional<std::int64_t> parse_body_length(std::string_view text) noexcept;

/// The request target of "GET /a?b HTTP/1.1", as sent.
std::string_view target_of_request_line(std::string_view line) noexcept;

/// How many bytes at the start of `uri` an alias covers, 0 when it does not match. One or more
/// slashes in the alias match one or more in the URI, and the match must end at the end of the
/// URI or before a slash, unless the alias itself ends in one.
std::size_t match_alias(std::string_view uri, std::string_view alias) noexcept;

/// What %{...} can refer to.
struct GroupNameFacts {
  std::string_view server_name;   ///< of the selected virtual host
  std::string_view request_host;  ///< of the Host header, else the server name
  unsigned port = 80;
  std::string_view script_name;
  /// request notes, then the request's variables, then the process's environment
  std::function<std::optional<std::string_view>(std::string_view)> lookup;
};

/// The value with its token replaced; "" is embedded mode or the main interpreter. Only a value
/// that is one token from its first to its last byte is expanded.
std::string expand_group_name(std::string_view value, const GroupNameFacts& facts);
/// Only %{ENV:name} is special; anything else that begins with '%' is "application".
std::string expand_callable_name(std::string_view value, const GroupNameFacts& facts);

/// True when a client may have a say in what the value becomes: %{HOST}, %{ENV:...}.
bool is_named_by_request(std::string_view value) noexcept;

/// True when the value means the same for every request: no token, or %{GLOBAL}.
bool is_literal_group_name(std::string_view value) noexcept;
/// Precondition: is_literal_group_name(value).
std::string_view literal_group_name(std::string_view value) noexcept;

}  // namespace wsgix::wsgi

// SPDX-License-Identifier: Apache-2.0
// Lines: a header's name, an alias, a directive's group name, a variable's value, a request line
// (the rest, which is also a path).
#include <string>

#include "fuzz_input.hpp"
#include "wsgix/wsgi/environ.hpp"

namespace {

using namespace wsgix;

void check_header(std::string_view name) {
  if (wsgi::role_of_header(name) != wsgi::HeaderRole::Plain) return;
  std::string space(wsgi::header_key_bytes(name.size()), '\0');
  const std::string_view key = wsgi::write_header_key(name, space.data());
  fuzz::require(key.starts_with("HTTP_") && key.size() == space.size());
  fuzz::require(key.find_first_not_of("ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_") == key.npos);
  // Two names that httpd keeps apart must not meet in one key: '_' is no way to write '-'.
  fuzz::require(name.find('_') == name.npos && !wsgi::is_hidden_variable(key));
}

void check_path(std::string_view path, std::string_view alias) {
  const std::string collapsed = wsgi::collapse_slashes(path);
  fuzz::require(!wsgi::has_repeated_slash(collapsed));
  fuzz::require(wsgi::collapse_slashes(collapsed) == collapsed);
  fuzz::require(wsgi::has_repeated_slash(path) == (collapsed != path));

  const std::size_t covered = wsgi::match_alias(path, alias);
  fuzz::require(covered <= path.size());
  // How often a slash is written changes nothing.
  const bool matches = wsgi::match_alias(collapsed, wsgi::collapse_slashes(alias)) != 0;
  fuzz::require((covered != 0) == matches);
  if (covered != 0 && alias.back() != '/' && covered < path.size()) {
    fuzz::require(path[covered] == '/');
  }
}

void check_group(std::string_view value, std::string_view variable) {
  wsgi::GroupNameFacts facts{"server", "host", 8080, "/script", {}};
  facts.lookup = [variable](std::string_view name) -> std::optional<std::string_view> {
    if (name == "UNSET") return std::nullopt;
    return variable;
  };
  const std::string group = wsgi::expand_group_name(value, facts);
  if (wsgi::is_literal_group_name(value)) fuzz::require(group == wsgi::literal_group_name(value));
  const std::string callable = wsgi::expand_callable_name(value, facts);
  fuzz::require(callable.empty() || callable.front() != '%');
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string_view rest = fuzz::view_of(data, size);
  check_header(fuzz::take_line(rest));
  const std::string_view alias = fuzz::take_line(rest);
  const std::string_view group = fuzz::take_line(rest);
  check_group(group, fuzz::take_line(rest));
  check_path(rest, alias);
  const std::string_view target = wsgi::target_of_request_line(rest);
  fuzz::require(target.find_first_of(" \t") == target.npos);
  return 0;
}

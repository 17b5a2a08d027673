// SPDX-License-Identifier: Apache-2.0
#include "words.hpp"

#include <fmt/format.h>

namespace wsgix::httpd {
namespace {

bool is_blank(char c) noexcept { return c == ' ' || c == '\t'; }
bool is_quote(char c) noexcept { return c == '"' || c == '\''; }

/// The inside of a quoted text whose quote is rest's first byte; a backslash protects a quote.
Result<std::string> take_quoted(std::string_view& rest) {
  const char quote = rest.front();
  std::string text;
  for (std::size_t i = 1; i < rest.size(); ++i) {
    if (rest[i] == quote) {
      rest.remove_prefix(i + 1);
      if (!rest.empty() && !is_blank(rest.front())) {
        return failed(ErrorCode::BadDirective, "text follows a closing quote without a blank");
      }
      return text;
    }
    if (rest[i] == '\\' && i + 1 < rest.size() && (rest[i + 1] == quote || rest[i + 1] == '\\'))
      ++i;
    text += rest[i];
  }
  return failed(ErrorCode::BadDirective, "a quoted value has no closing quote");
}

std::string take_bare(std::string_view& rest) {
  std::size_t end = 0;
  while (end < rest.size() && !is_blank(rest[end])) ++end;
  std::string text(rest.substr(0, end));
  rest.remove_prefix(end);
  return text;
}

}  // namespace

bool at_end(std::string_view& rest) noexcept {
  while (!rest.empty() && is_blank(rest.front())) rest.remove_prefix(1);
  return rest.empty();
}

Result<std::string> take_word(std::string_view& rest) {
  if (at_end(rest)) return std::string();
  if (is_quote(rest.front())) return take_quoted(rest);
  return take_bare(rest);
}

Result<Option> take_option(std::string_view& rest) {
  std::size_t equals = 0;
  while (equals < rest.size() && rest[equals] != '=' && !is_blank(rest[equals])) ++equals;
  if (equals == 0 || equals == rest.size() || rest[equals] != '=') {
    return failed(ErrorCode::UnknownOption,
                  fmt::format("'{}' is not of the form name=value", rest.substr(0, equals)));
  }
  Option option{std::string(rest.substr(0, equals)), {}};
  rest.remove_prefix(equals + 1);
  option.has_blanks = !rest.empty() && is_blank(rest.front());
  if (at_end(rest)) return option;
  if (is_quote(rest.front())) {
    Result<std::string> value = take_quoted(rest);
    if (!value) return failed(value);
    option.value = std::move(*value);
  } else {
    option.value = take_bare(rest);
  }
  return option;
}

}  // namespace wsgix::httpd

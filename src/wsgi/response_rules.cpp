// SPDX-License-Identifier: Apache-2.0
#include "wsgix/wsgi/response_rules.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstddef>
#include <system_error>
#include <utility>

#include "wsgix/wsgi/environ.hpp"

namespace wsgix::wsgi {
namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }

bool is_control(char c) {
  const auto byte = static_cast<unsigned char>(c);
  return byte < 0x20 || byte == 0x7f;
}

/// RFC 9110, 5.6.2: tchar.
bool is_token_char(char c) {
  const auto byte = static_cast<unsigned char>(c);
  const bool letter = (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z');
  constexpr std::string_view kMarks = "!#$%&'*+-.^_`|~";
  return letter || is_digit(c) || kMarks.find(c) != std::string_view::npos;
}

Objection object(std::string_view rule, std::string_view bytes) {
  return fmt::format("{}: {}", rule, bytes_repr(bytes));
}

}  // namespace

Objection object_to_status(std::string_view status) {
  const auto digits = static_cast<std::size_t>(
      std::find_if_not(status.begin(), status.end(), is_digit) - status.begin());
  if (digits != 3) return object("status code must be a 3 digit integer", status);
  if (status.size() > 3 && status[3] != ' ')
    return object("no space following status code", status);
  if (std::any_of(status.begin(), status.end(), is_control))
    return object("control character in status reason phrase", status);
  if (status.size() > 4) {
    if (Objection objection = object_to_reason(status.substr(4))) return objection;
  }
  // Peers pass these on; a client waits for another answer behind 1xx (RFC 9110, 15.2).
  if (status[0] < '2') return object("status code must be 200 or more", status);
  return {};
}

Objection object_to_reason(std::string_view reason) {
  if (reason.size() > kMaxReasonBytes)
    return fmt::format("status reason phrase has {} bytes, more than {}", reason.size(),
                       kMaxReasonBytes);
  if (std::any_of(reason.begin(), reason.end(), is_control))
    return object("control character in status reason phrase", reason);
  return {};
}

Objection object_to_header_count(std::size_t count) {
  if (count <= kMaxHeaders) return {};
  return fmt::format("response has {} headers, more than {}", count, kMaxHeaders);
}

Objection object_to_header_name(std::string_view name) {
  if (name.empty()) return "header name is empty";
  // The first offender decides, so that a name with several faults gets one stable text.
  for (const char c : name) {
    if (c == ' ') return object("space character in header name", name);
    if (is_control(c)) return object("control character in header name", name);
  }
  if (!std::all_of(name.begin(), name.end(), is_token_char))
    return object("separator or non-ASCII character in header name", name);
  return {};
}

Objection object_to_header_value(std::string_view value) {
  for (const char c : value) {
    if (c == '\r' || c == '\n')
      return object("carriage return/line feed character in header value", value);
    if (is_control(c) && c != '\t') return object("control character in header value", value);
  }
  return {};
}

Objection HeadCheck::status(int code, std::string_view reason) {
  if (code < 200 || code > 999) return fmt::format("status code {} is not in 200 to 999", code);
  return object_to_reason(reason);
}

Objection HeadCheck::header(std::string_view name, std::string_view value) {
  if (Objection objection = object_to_header_count(++count_)) return objection;
  if (Objection objection = object_to_header_name(name)) return objection;
  if (Objection objection = object_to_header_value(value)) return objection;
  if (is_hop_by_hop(name)) return object("header of one connection in a response", name);
  if (!equals_ignoring_case(name, "content-length")) return {};
  if (interim_) return object("length in an interim response", name);
  // The runtime passes one on, whatever the application repeats.
  if (std::exchange(has_length_, true)) return object("second Content-Length", value);
  if (!parse_content_length(value))
    return object("Content-Length is not a non-negative integer", value);
  return {};
}

StatusLine split_status(std::string_view status) {
  StatusLine line;
  std::from_chars(status.data(), status.data() + 3, line.code);
  if (status.size() > 4) line.reason = status.substr(4);
  return line;
}

std::optional<std::uint64_t> parse_content_length(std::string_view value) {
  const auto first = value.find_first_not_of(" \t");
  if (first == std::string_view::npos) return {};
  value = value.substr(first, value.find_last_not_of(" \t") - first + 1);

  std::uint64_t length = 0;
  const auto [end, problem] = std::from_chars(value.data(), value.data() + value.size(), length);
  // Offsets of files and of the wire are signed 64 bit numbers.
  constexpr std::uint64_t kLargest = INT64_MAX;
  if (problem != std::errc{} || end != value.data() + value.size() || length > kLargest) return {};
  return length;
}

bool is_hop_by_hop(std::string_view name) {
  constexpr std::array<std::string_view, 9> kHopByHop = {
      "connection", "keep-alive", "proxy-authenticate", "proxy-authorization",
      "te",         "trailer",    "trailers",           "transfer-encoding",
      "upgrade"};
  return std::any_of(kHopByHop.begin(), kHopByHop.end(), [&](std::string_view candidate) {
    return equals_ignoring_case(candidate, name);
  });
}

bool has_no_body(int status, std::string_view request_method) {
  return request_method == "HEAD" || status < 200 || status == 204 || status == 205 ||
         status == 304;
}

std::string bytes_repr(std::string_view bytes) {
  const bool double_quotes =
      bytes.find('\'') != std::string_view::npos && bytes.find('"') == std::string_view::npos;
  const char quote = double_quotes ? '"' : '\'';
  std::string text = "b";
  text += quote;
  for (const char c : bytes) {
    switch (c) {
      case '\t': text += "\\t"; break;
      case '\n': text += "\\n"; break;
      case '\r': text += "\\r"; break;
      case '\\': text += "\\\\"; break;
      default:
        if (c == quote) {
          text += '\\';
          text += c;
        } else if (is_control(c) || static_cast<unsigned char>(c) > 0x7f) {
          text += fmt::format("\\x{:02x}", static_cast<unsigned char>(c));
        } else {
          text += c;
        }
    }
  }
  text += quote;
  return text;
}

}  // namespace wsgix::wsgi

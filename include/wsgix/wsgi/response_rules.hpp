// SPDX-License-Identifier: Apache-2.0
// wsgi/response_rules.hpp: what PEP 3333 and RFC 9110 allow in a status line and in headers.
//
// Pure text in, verdict out; knows neither Python nor httpd. The texts are those that
// applications' test suites compare, so they are part of the contract.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace wsgix::wsgi {

/// The text for the application's ValueError, or nothing when the rule is kept.
using Objection = std::optional<std::string>;

Objection object_to_status(std::string_view status);
Objection object_to_header_name(std::string_view name);
Objection object_to_header_value(std::string_view value);

/// Far above any honest response; what is longer would be kept by httpd for a hostile one.
constexpr std::size_t kMaxReasonBytes = 8192;
constexpr std::size_t kMaxHeaders = 20000;

Objection object_to_reason(std::string_view reason);
Objection object_to_header_count(std::size_t count);

/// A head as the runtime makes it: for whoever receives one from a process that is not to be
/// trusted. Call status() or interim(), then header() for each, then nothing has been kept.
class HeadCheck {
 public:
  Objection status(int code, std::string_view reason);
  /// Of an interim response, whose headers say nothing about a body.
  void interim() noexcept { interim_ = true; }
  Objection header(std::string_view name, std::string_view value);

 private:
  bool interim_ = false;
  std::size_t count_ = 0;
  bool has_length_ = false;
};

struct StatusLine {
  int code = 0;
  std::string_view reason;  ///< points into the text that was split; may be empty
};

/// Only for a text that object_to_status() accepts.
StatusLine split_status(std::string_view status);

/// A plain non-negative decimal number that fits; blanks around it are allowed.
std::optional<std::uint64_t> parse_content_length(std::string_view value);

/// Headers that speak about one connection belong to httpd (PEP 3333, "Other HTTP Features").
bool is_hop_by_hop(std::string_view name);

/// Answers to these never carry a body, whatever Content-Length they announce.
bool has_no_body(int status, std::string_view request_method);

/// Interim responses of one request: what is beyond is left out. Whoever asks for more is in a
/// loop.
inline constexpr std::size_t kMostEarlyHints = 32;
inline constexpr std::size_t kMostEarlyHintBytes = 64 * 1024;

/// The bytes the way Python shows them: b'a\x00b'.
std::string bytes_repr(std::string_view bytes);

}  // namespace wsgix::wsgi

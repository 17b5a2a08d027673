// SPDX-License-Identifier: Apache-2.0
// wire/messages.hpp: what the payload of each frame means.
//
// Decoders return views into the bytes they were given: nothing is copied on the request path.
// Every decoder refuses left-over bytes, and every length and count is checked against the bytes
// that remain before it sizes anything. Every encoder refuses what the decoder would refuse, so
// that the blame lands on the right side.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "wsgix/base/log_sink.hpp"
#include "wsgix/base/result.hpp"
#include "wsgix/wsgi/script_ref.hpp"

namespace wsgix::wire {

using Bytes = std::string;  ///< an encode buffer; bytes are appended

struct FieldView {
  std::string_view name;
  std::string_view value;

  bool operator==(const FieldView&) const = default;
};

inline constexpr std::size_t kTokenBytes = 32;
/// Of a RequestHead or ResponseHead; above kMaxPayloadBytes it travels in parts.
inline constexpr std::size_t kMaxHeadBytes = std::size_t{256} << 20;

struct Hello {
  std::string_view token;  ///< exactly kTokenBytes

  bool operator==(const Hello&) const = default;
};

struct Welcome {
  std::uint32_t pid = 0;
  std::uint32_t slot = 0;  ///< of the scoreboard

  bool operator==(const Welcome&) const = default;
};

struct RequestHead {
  static constexpr std::uint8_t kHasBody = 1;          ///< RequestBody and RequestEnd follow
  static constexpr std::uint8_t kExpectsContinue = 2;  ///< they follow only after WantBody
  static constexpr std::uint8_t kHttps = 4;
  static constexpr std::uint8_t kIgnoresActivity = 8;  ///< does not push inactivity-timeout forward

  std::uint8_t flags = 0;
  std::int64_t content_length = -1;   ///< -1: unknown
  std::int64_t request_start_us = 0;  ///< since 1970
  std::int64_t queue_start_us = 0;
  std::int64_t deadline_us = 0;  ///< CLOCK_MONOTONIC, microseconds; 0: none
  wsgi::ScriptRef script;
  std::vector<FieldView> environ;

  bool operator==(const RequestHead&) const = default;
};

struct ResponseHead {
  std::uint16_t status = 0;
  std::string_view reason;
  std::vector<FieldView> headers;

  bool operator==(const ResponseHead&) const = default;
};

struct EarlyHints {
  std::vector<FieldView> headers;

  bool operator==(const EarlyHints&) const = default;
};

struct ResponseFile {
  std::uint64_t offset = 0;
  std::uint64_t length = 0;

  bool operator==(const ResponseFile&) const = default;
};

/// Also the payload of ResponseCut (status 0 there).
struct Failure {
  std::uint16_t http_status = 500;
  std::uint32_t code = 0;  ///< of the catalogue
  std::string_view what;   ///< empty when a Log frame has said it already

  bool operator==(const Failure&) const = default;
};

struct LogRecord {
  LogLevel level = LogLevel::Error;
  std::uint32_t line = 0;
  std::string_view file;
  std::string_view text;

  bool operator==(const LogRecord&) const = default;
};

enum class AbortReason : std::uint8_t {
  ClientGone = 1,
  ClientTooSlow = 2,  ///< 408
  BodyTooLarge = 3,   ///< 413
  BodyMalformed = 4,  ///< 400
};

/// Appends the payload to `out`. On failure `out` is as it was.
Result<void> encode(const Hello&, Bytes& out);
Result<void> encode(const Welcome&, Bytes& out);
Result<void> encode(const RequestHead&, Bytes& out);
Result<void> encode(const ResponseHead&, Bytes& out);
Result<void> encode(const EarlyHints&, Bytes& out);
Result<void> encode(const ResponseFile&, Bytes& out);
Result<void> encode(const Failure&, Bytes& out);
Result<void> encode(const LogRecord&, Bytes& out);
Result<void> encode(AbortReason, Bytes& out);

Result<Hello> decode_hello(std::string_view payload);
Result<Welcome> decode_welcome(std::string_view payload);
/// Reuses the capacity of `into.environ`.
Result<void> decode_request_head(std::string_view payload, RequestHead& into);
Result<void> decode_response_head(std::string_view payload, ResponseHead& into);
Result<EarlyHints> decode_early_hints(std::string_view payload);
Result<ResponseFile> decode_response_file(std::string_view payload);
Result<Failure> decode_failure(std::string_view payload);
Result<LogRecord> decode_log_record(std::string_view payload);
Result<AbortReason> decode_abort(std::string_view payload);

/// A list of fields on its own: the settings of a host travel like this.
Result<void> encode_fields(const std::vector<FieldView>& fields, Bytes& out);
Result<std::vector<FieldView>> decode_fields(std::string_view payload);

}  // namespace wsgix::wire

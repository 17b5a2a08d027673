// SPDX-License-Identifier: Apache-2.0
#include "wsgix/wire/messages.hpp"

#include <fmt/format.h>

#include "wsgix/base/bytes.hpp"
#include "wsgix/wire/frame.hpp"

namespace wsgix::wire {
namespace {

constexpr std::size_t kMinFieldBytes = 8;  // two empty texts still carry two lengths
constexpr auto kLeastLevel = static_cast<std::uint8_t>(LogLevel::Debug);
constexpr std::uint8_t kKnownRequestFlags = RequestHead::kHasBody | RequestHead::kExpectsContinue |
                                            RequestHead::kHttps | RequestHead::kIgnoresActivity;

Failed malformed(std::string_view message, std::string_view why) {
  return failed(ErrorCode::MalformedFrame, fmt::format("{}: {}", message, why));
}

void put_fields(Bytes& out, const std::vector<FieldView>& fields) {
  put_number(out, static_cast<std::uint32_t>(fields.size()));
  for (const auto& [name, value] : fields) {
    put_text(out, name);
    put_text(out, value);
  }
}

/// A text or message that is too long for u32 is too long for its limit as well, so the one check
/// at the end is enough: nothing is sent before it.
class Encoding {
 public:
  Encoding(Bytes& out, std::string_view message, std::size_t limit = kMaxPayloadBytes) noexcept
      : out_(out), start_(out.size()), message_(message), limit_(limit) {}

  Result<void> done() {
    const std::size_t bytes = out_.size() - start_;
    if (bytes <= limit_) return {};
    return refuse(ErrorCode::FrameTooLarge,
                  fmt::format("{} of {} bytes exceeds {}", message_, bytes, limit_));
  }
  Result<void> refuse(ErrorCode code, std::string why) {
    out_.resize(start_);
    return failed(code, std::move(why));
  }

 private:
  Bytes& out_;
  std::size_t start_;
  std::string_view message_;
  std::size_t limit_;
};

/// nullptr when the fields were read, otherwise what is wrong with them.
const char* read_fields(ByteReader& reader, std::vector<FieldView>& into) {
  const auto count = reader.number<std::uint32_t>();
  // The count sizes an allocation below, so the bytes that could hold that many
  // fields must already be here: eight bytes must not be able to ask for gigabytes.
  if (!count || *count > reader.remaining() / kMinFieldBytes) return "field count is a lie";

  into.clear();
  into.reserve(*count);
  for (std::uint32_t i = 0; i < *count; ++i) {
    const auto name = reader.text();
    const auto value = reader.text();
    if (!name || !value) return "a field runs past the payload";
    into.push_back({*name, *value});
  }
  return nullptr;
}

}  // namespace

Result<void> encode(const Hello& hello, Bytes& out) {
  Encoding encoding(out, "Hello");
  if (hello.token.size() != kTokenBytes) {
    return encoding.refuse(ErrorCode::BrokenInvariant, "Hello: the token has not 32 bytes");
  }
  out.append(hello.token);
  return encoding.done();
}

Result<Hello> decode_hello(std::string_view payload) {
  if (payload.size() != kTokenBytes) return malformed("Hello", "the token has not 32 bytes");
  return Hello{payload};
}

Result<void> encode(const Welcome& welcome, Bytes& out) {
  put_number(out, welcome.pid);
  put_number(out, welcome.slot);
  return {};
}

Result<Welcome> decode_welcome(std::string_view payload) {
  ByteReader reader(payload);
  const auto pid = reader.number<std::uint32_t>();
  const auto slot = reader.number<std::uint32_t>();
  if (!slot || reader.remaining() != 0) return malformed("Welcome", "not 8 bytes");
  return Welcome{*pid, *slot};
}

Result<void> encode(const RequestHead& head, Bytes& out) {
  Encoding encoding(out, "RequestHead", kMaxHeadBytes);
  put_number(out, head.flags);
  put_number(out, head.content_length);
  put_number(out, head.request_start_us);
  put_number(out, head.queue_start_us);
  put_number(out, head.deadline_us);
  wsgi::encode(head.script, out);
  put_fields(out, head.environ);
  return encoding.done();
}

Result<void> decode_request_head(std::string_view payload, RequestHead& into) {
  ByteReader reader(payload);
  const auto flags = reader.number<std::uint8_t>();
  const auto content_length = reader.number<std::int64_t>();
  const auto request_start = reader.number<std::int64_t>();
  const auto queue_start = reader.number<std::int64_t>();
  const auto deadline = reader.number<std::int64_t>();
  const auto script = wsgi::take_script(reader);
  // A failed read consumes nothing, so a later, smaller one may still succeed: look at each.
  if (!flags || !content_length || !request_start || !queue_start || !deadline) {
    return malformed("RequestHead", "cut short");
  }
  if (!script) return malformed("RequestHead", "names no script");
  if ((*flags & ~kKnownRequestFlags) != 0) return malformed("RequestHead", "unknown flag");
  if (*content_length < -1) return malformed("RequestHead", "negative content length");
  if (*deadline < 0) return malformed("RequestHead", "negative deadline");
  if (const char* why = read_fields(reader, into.environ)) return malformed("RequestHead", why);
  if (reader.remaining() != 0) return malformed("RequestHead", "bytes left over");

  into.flags = *flags;
  into.content_length = *content_length;
  into.request_start_us = *request_start;
  into.queue_start_us = *queue_start;
  into.deadline_us = *deadline;
  into.script = *script;
  return {};
}

Result<void> encode(const ResponseHead& head, Bytes& out) {
  Encoding encoding(out, "ResponseHead", kMaxHeadBytes);
  if (head.status < 100 || head.status > 999) {
    return encoding.refuse(ErrorCode::BrokenInvariant,
                           fmt::format("ResponseHead: status {}", head.status));
  }
  put_number(out, head.status);
  put_text(out, head.reason);
  put_fields(out, head.headers);
  return encoding.done();
}

Result<void> decode_response_head(std::string_view payload, ResponseHead& into) {
  ByteReader reader(payload);
  const auto status = reader.number<std::uint16_t>();
  const auto reason = reader.text();
  if (!status || !reason) return malformed("ResponseHead", "cut short");
  if (*status < 100 || *status > 999) return malformed("ResponseHead", "status out of range");
  if (const char* why = read_fields(reader, into.headers)) return malformed("ResponseHead", why);
  if (reader.remaining() != 0) return malformed("ResponseHead", "bytes left over");

  into.status = *status;
  into.reason = *reason;
  return {};
}

Result<void> encode(const EarlyHints& hints, Bytes& out) {
  Encoding encoding(out, "EarlyHints");
  put_fields(out, hints.headers);
  return encoding.done();
}

Result<EarlyHints> decode_early_hints(std::string_view payload) {
  ByteReader reader(payload);
  EarlyHints hints;
  if (const char* why = read_fields(reader, hints.headers)) return malformed("EarlyHints", why);
  if (reader.remaining() != 0) return malformed("EarlyHints", "bytes left over");
  return hints;
}

Result<void> encode(const ResponseFile& file, Bytes& out) {
  put_number(out, file.offset);
  put_number(out, file.length);
  return {};
}

Result<ResponseFile> decode_response_file(std::string_view payload) {
  ByteReader reader(payload);
  const auto offset = reader.number<std::uint64_t>();
  const auto length = reader.number<std::uint64_t>();
  if (!length || reader.remaining() != 0) return malformed("ResponseFile", "not 16 bytes");
  return ResponseFile{*offset, *length};
}

Result<void> encode(const Failure& failure, Bytes& out) {
  Encoding encoding(out, "Failure");
  put_number(out, failure.http_status);
  put_number(out, failure.code);
  put_text(out, failure.what);
  return encoding.done();
}

Result<Failure> decode_failure(std::string_view payload) {
  ByteReader reader(payload);
  const auto status = reader.number<std::uint16_t>();
  const auto code = reader.number<std::uint32_t>();
  const auto what = reader.text();
  if (!status || !code || !what) return malformed("Failure", "cut short");
  if (reader.remaining() != 0) return malformed("Failure", "bytes left over");
  return Failure{*status, *code, *what};
}

Result<void> encode(const LogRecord& record, Bytes& out) {
  Encoding encoding(out, "Log");
  put_number(out, static_cast<std::uint8_t>(record.level));
  put_number(out, record.line);
  put_text(out, record.file);
  put_text(out, record.text);
  return encoding.done();
}

Result<LogRecord> decode_log_record(std::string_view payload) {
  ByteReader reader(payload);
  const auto level = reader.number<std::uint8_t>();
  const auto line = reader.number<std::uint32_t>();
  const auto file = reader.text();
  const auto text = reader.text();
  if (!level || !line || !file || !text) return malformed("Log", "cut short");
  if (*level > kLeastLevel) return malformed("Log", "level out of range");
  if (reader.remaining() != 0) return malformed("Log", "bytes left over");
  return LogRecord{static_cast<LogLevel>(*level), *line, *file, *text};
}

Result<void> encode(AbortReason reason, Bytes& out) {
  put_number(out, static_cast<std::uint8_t>(reason));
  return {};
}

Result<AbortReason> decode_abort(std::string_view payload) {
  ByteReader reader(payload);
  const auto reason = reader.number<std::uint8_t>();
  if (!reason || reader.remaining() != 0) return malformed("RequestAbort", "not 1 byte");
  if (*reason < static_cast<std::uint8_t>(AbortReason::ClientGone) ||
      *reason > static_cast<std::uint8_t>(AbortReason::BodyMalformed)) {
    return malformed("RequestAbort", "unknown reason");
  }
  return static_cast<AbortReason>(*reason);
}

Result<void> encode_fields(const std::vector<FieldView>& fields, Bytes& out) {
  Encoding encoding(out, "field list");
  put_fields(out, fields);
  return encoding.done();
}

Result<std::vector<FieldView>> decode_fields(std::string_view payload) {
  ByteReader reader(payload);
  std::vector<FieldView> fields;
  if (const char* why = read_fields(reader, fields)) return malformed("field list", why);
  if (reader.remaining() != 0) return malformed("field list", "bytes left over");
  return fields;
}

}  // namespace wsgix::wire

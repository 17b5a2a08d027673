// SPDX-License-Identifier: Apache-2.0
#include "wsgix/base/worker_output.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

namespace wsgix {
namespace {

// "\x01wsgix:" level(1) thread(8) size(4) "\x02", the numbers in hexadecimal; then the text.
constexpr std::string_view kMark = "\x01wsgix:";
constexpr char kEndOfHead = '\x02';
constexpr std::size_t kLevelAt = kMark.size();
constexpr std::size_t kThreadAt = kLevelAt + 1;
constexpr std::size_t kSizeAt = kThreadAt + 8;
constexpr std::size_t kEndAt = kSizeAt + 4;
static_assert(kEndAt + 1 == kOutputRecordHeadBytes);
constexpr std::size_t kLongestRecord = 0xffff;

bool may_begin_line_or_record(char c) noexcept { return c == '\n' || c == kMark.front(); }

std::optional<std::uint32_t> number(std::string_view digits) noexcept {
  std::uint32_t value = 0;
  const char* const end = digits.data() + digits.size();
  const auto read = std::from_chars(digits.data(), end, value, 16);
  if (read.ec != std::errc() || read.ptr != end) return std::nullopt;
  return value;
}

struct Head {
  OutputLine line;
  std::size_t text_bytes = 0;
};

/// nullopt: no record. `bytes` is longer than a head.
std::optional<Head> decode_head(std::string_view bytes) {
  if (!bytes.starts_with(kMark) || bytes[kEndAt] != kEndOfHead) return std::nullopt;
  const auto level = number(bytes.substr(kLevelAt, 1));
  const auto thread = number(bytes.substr(kThreadAt, 8));
  const auto size = number(bytes.substr(kSizeAt, 4));
  if (!level || !thread || !size) return std::nullopt;
  const auto known = std::min(*level, static_cast<std::uint32_t>(LogLevel::Debug));
  return Head{{static_cast<LogLevel>(known), *thread, {}}, *size};
}

}  // namespace

std::string encode_output_record(LogLevel level, std::uint32_t thread, std::string_view text) {
  text = text.substr(0, kLongestRecord);
  return fmt::format("{}{:x}{:08x}{:04x}{}{}", kMark, static_cast<unsigned>(level) & 7u, thread,
                     text.size(), kEndOfHead, text);
}

void OutputLines::add(std::string_view bytes) {
  bytes_.erase(0, begin_);
  scanned_ -= begin_;
  begin_ = 0;
  bytes_ += bytes;
}

std::optional<OutputLine> OutputLines::next() {
  for (;;) {
    if (scanned_ - begin_ > kMostHeld) return take_text(scanned_, 0);
    const auto found = std::find_if(bytes_.begin() + static_cast<std::ptrdiff_t>(scanned_),
                                    bytes_.end(), may_begin_line_or_record);
    scanned_ = static_cast<std::size_t>(found - bytes_.begin());
    if (found == bytes_.end()) {
      if (scanned_ - begin_ <= kMostHeld) return std::nullopt;
      continue;
    }
    if (*found == '\n') return take_text(scanned_, 1);

    const std::string_view from_here = std::string_view(bytes_).substr(scanned_);
    const bool is_short = from_here.size() < kOutputRecordHeadBytes;
    if (is_short && from_here.starts_with(kMark.substr(0, from_here.size()))) return std::nullopt;
    auto head = is_short ? std::nullopt : decode_head(from_here);
    if (!head) {
      ++scanned_;
      continue;
    }
    const std::size_t size = kOutputRecordHeadBytes + head->text_bytes;
    if (from_here.size() < size) return std::nullopt;
    head->line.text = from_here.substr(kOutputRecordHeadBytes, head->text_bytes);
    bytes_.erase(scanned_, size);
    return std::move(head->line);
  }
}

std::optional<OutputLine> OutputLines::rest() {
  if (is_empty()) return std::nullopt;
  return take_text(bytes_.size(), 0);
}

OutputLine OutputLines::take_text(std::size_t end, std::size_t newline) {
  OutputLine line;
  line.text = bytes_.substr(begin_, end - begin_);
  if (newline != 0 && line.text.ends_with('\r')) line.text.pop_back();
  scanned_ = begin_ = end + newline;
  return line;
}

}  // namespace wsgix

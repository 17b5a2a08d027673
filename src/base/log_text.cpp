// SPDX-License-Identifier: Apache-2.0
#include "wsgix/base/log_text.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstdint>

namespace wsgix {
namespace {

constexpr std::size_t kLongestSequence = 4;  ///< of UTF-8

/// The letter behind the backslash, 0 when there is none.
constexpr char letter_of(char c) noexcept {
  switch (c) {
    case '\b': return 'b';
    case '\n': return 'n';
    case '\r': return 'r';
    case '\t': return 't';
    case '\v': return 'v';
    case '\\': return '\\';
    default: return 0;
  }
}

constexpr bool is_plain(char c) noexcept { return c >= 0x20 && c < 0x7f && c != '\\'; }

constexpr std::size_t size_of(char c) noexcept {
  if (is_plain(c)) return 1;
  return letter_of(c) != 0 ? 2 : 4;
}

bool continues_sequence(char c) noexcept { return (static_cast<unsigned char>(c) & 0xc0) == 0x80; }

/// Somewhat before `limit` if a blank or the start of a character is there.
std::size_t good_end(std::string_view text, std::size_t limit) noexcept {
  const std::size_t least = limit - limit / 8;
  for (std::size_t end = limit; end > least; --end) {
    if (text[end - 1] == ' ') return end;
  }
  std::size_t end = limit;
  const std::size_t back = std::min(kLongestSequence - 1, limit - 1);
  while (end > limit - back && continues_sequence(text[end])) --end;
  return continues_sequence(text[end]) ? limit : end;
}

}  // namespace

std::size_t escaped_size(std::string_view text) noexcept {
  std::size_t size = 0;
  for (const char c : text) size += size_of(c);
  return size;
}

void append_escaped(std::string& out, std::string_view text) {
  for (const char c : text) {
    if (is_plain(c)) {
      out += c;
    } else if (const char letter = letter_of(c); letter != 0) {
      out += '\\';
      out += letter;
    } else {
      out += fmt::format("\\x{:02x}", static_cast<unsigned char>(c));
    }
  }
}

std::size_t fitting_size(std::string_view text, std::size_t room) noexcept {
  if (text.size() <= room / 4) return text.size();
  std::size_t used = 0;
  std::size_t count = 0;
  while (count < text.size() && used + size_of(text[count]) <= room) used += size_of(text[count++]);
  if (count == text.size()) return count;
  return count == 0 ? 1 : good_end(text, count);
}

std::string continuation_mark() {
  // A clock and an address instead of a counter, which a forked copy would go on with.
  int here = 0;
  const auto now = std::chrono::steady_clock::now().time_since_epoch().count();
  const auto bits = static_cast<std::uint64_t>(now) * 0x9e3779b97f4a7c15u ^
                    static_cast<std::uint64_t>(reinterpret_cast<std::uintptr_t>(&here));
  return fmt::format("[+{:08x}]", static_cast<std::uint32_t>(bits >> 16));
}

}  // namespace wsgix

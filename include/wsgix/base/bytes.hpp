// SPDX-License-Identifier: Apache-2.0
// base/bytes.hpp: numbers and texts as bytes, and forward through untrusted bytes.
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace wsgix {

/// Appends it big-endian, two's complement when signed.
template <std::integral Number>
void put_number(std::string& out, Number value) {
  const auto bits = static_cast<std::uint64_t>(value);
  char bytes[sizeof(Number)];
  for (std::size_t i = 0; i < sizeof(Number); ++i) {
    bytes[i] = static_cast<char>(bits >> (8 * (sizeof(Number) - 1 - i)));
  }
  out.append(bytes, sizeof bytes);
}

/// A u32 length and that many bytes. Whoever sends more than that holds is stopped by a limit of
/// the whole message.
inline void put_text(std::string& out, std::string_view text) {
  put_number(out, static_cast<std::uint32_t>(text.size()));
  out.append(text);
}

/// Every read either fits in what is left or yields nullopt and consumes nothing.
class ByteReader {
 public:
  explicit ByteReader(std::string_view bytes) noexcept : rest_(bytes) {}

  std::size_t remaining() const noexcept { return rest_.size(); }

  /// What put_number() writes.
  template <std::integral Number>
  std::optional<Number> number() noexcept {
    if (rest_.size() < sizeof(Number)) return std::nullopt;
    std::uint64_t value = 0;
    for (const char c : rest_.substr(0, sizeof(Number))) {
      value = value << 8 | static_cast<unsigned char>(c);
    }
    rest_.remove_prefix(sizeof(Number));
    return static_cast<Number>(value);
  }

  /// What put_text() writes. The view points into the constructor's bytes.
  std::optional<std::string_view> text() noexcept {
    ByteReader ahead = *this;  // so that a refused length is not consumed either
    const auto length = ahead.number<std::uint32_t>();
    // Compare with what is left, never "offset + length": that sum can wrap.
    if (!length || *length > ahead.remaining()) return std::nullopt;
    rest_ = ahead.rest_.substr(*length);
    return ahead.rest_.substr(0, *length);
  }

 private:
  std::string_view rest_;
};

}  // namespace wsgix

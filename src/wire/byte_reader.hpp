// SPDX-License-Identifier: Apache-2.0
// wire/byte_reader.hpp: forward through untrusted bytes.
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>
#include <type_traits>

namespace wsgix::wire {

/// Every read either fits in what is left or yields nullopt and consumes nothing.
class ByteReader {
 public:
  explicit ByteReader(std::string_view bytes) noexcept : rest_(bytes) {}

  std::size_t remaining() const noexcept { return rest_.size(); }

  /// A big-endian number, two's complement when signed.
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

  /// A u32 length and that many bytes. The view points into the constructor's bytes.
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

}  // namespace wsgix::wire

// SPDX-License-Identifier: Apache-2.0
// What every target does with the bytes it is given.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

namespace wsgix::fuzz {

inline std::string_view view_of(const std::uint8_t* data, std::size_t size) {
  return {reinterpret_cast<const char*>(data), size};
}

inline void require(bool holds) {
  if (!holds) std::abort();
}

inline std::string_view take_line(std::string_view& rest) {
  const std::size_t end = std::min(rest.find('\n'), rest.size());
  const std::string_view line = rest.substr(0, end);
  rest.remove_prefix(std::min(end + 1, rest.size()));
  return line;
}

/// Choices, one byte each; zeros when they are used up.
class Choices {
 public:
  Choices(const std::uint8_t* data, std::size_t size) noexcept : rest_(view_of(data, size)) {}
  bool is_empty() const noexcept { return rest_.empty(); }
  std::uint8_t next() noexcept {
    if (rest_.empty()) return 0;
    const auto byte = static_cast<std::uint8_t>(rest_.front());
    rest_.remove_prefix(1);
    return byte;
  }

 private:
  std::string_view rest_;
};

}  // namespace wsgix::fuzz

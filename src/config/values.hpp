// SPDX-License-Identifier: Apache-2.0
// config/values.hpp: numbers as a configuration writes them, beside those of daemon_settings.hpp.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace wsgix::config {

/// The whole text as a number, or nothing: no sign, no blanks, nothing behind it.
std::optional<long long> digits(std::string_view text, int base = 10);
inline constexpr std::chrono::milliseconds kLongestTime = std::chrono::hours(365 * 24);
inline constexpr std::int64_t kMostBytes = std::int64_t{1} << 40;

/// Digits, however many, with a unit that span_of_time() knows, or parse_size(): what they do not
/// take of these is too much.
bool is_number_with_time_unit(std::string_view text);
bool is_number_with_size_unit(std::string_view text);
/// 65536 as "64k".
std::string in_largest_unit(std::int64_t bytes);

}  // namespace wsgix::config

// SPDX-License-Identifier: Apache-2.0
#include "values.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <system_error>

#include "wsgix/config/daemon_settings.hpp"

namespace wsgix::config {
namespace {

/// Milliseconds, as the units below make them.
constexpr struct {
  std::string_view name;
  long long milliseconds;
} kUnits[] = {{"ms", 1}, {"s", 1000}, {"min", 60'000}, {"m", 60'000}, {"h", 3'600'000}, {"", 1000}};

constexpr struct {
  std::string_view name;
  std::int64_t bytes;
} kSizeUnits[] = {{"", 1}, {"k", 1 << 10}, {"m", 1 << 20}, {"g", 1 << 30}};

/// Digits, however many, and one of the units.
template <typename Units>
bool is_number_with_unit(std::string_view text, const Units& units) {
  const std::size_t unit_at = std::min(text.find_first_not_of("0123456789"), text.size());
  return unit_at > 0 && std::any_of(std::begin(units), std::end(units), [&](const auto& unit) {
           return unit.name == text.substr(unit_at);
         });
}

}  // namespace

bool is_number_with_time_unit(std::string_view text) { return is_number_with_unit(text, kUnits); }

bool is_number_with_size_unit(std::string_view text) {
  return is_number_with_unit(text, kSizeUnits);
}

std::optional<long long> digits(std::string_view text, int base) {
  if (text.empty() || text.front() == '-') return std::nullopt;
  long long number = 0;
  const char* const last = text.data() + text.size();
  const auto [end, failure] = std::from_chars(text.data(), last, number, base);
  if (failure != std::errc{} || end != last) return std::nullopt;
  return number;
}

std::optional<std::int64_t> parse_signed(std::string_view text) {
  const bool is_negative = text.starts_with('-');
  const auto number = digits(is_negative ? text.substr(1) : text);
  if (number && is_negative) return -*number;
  return number;
}

std::optional<double> positive_number(std::string_view text) {
  constexpr double kMost = 1e6;
  double number = 0;
  const char* const last = text.data() + text.size();
  const auto [end, failure] = std::from_chars(text.data(), last, number, std::chars_format::fixed);
  if (text.empty() || failure != std::errc{} || end != last) return std::nullopt;
  // Not a number fails the comparison too.
  return number > 0 && number <= kMost ? std::optional<double>(number) : std::nullopt;
}

std::string in_largest_unit(std::int64_t bytes) {
  std::string text = fmt::format("{}", bytes);
  for (const auto& unit : kSizeUnits) {
    if (bytes % unit.bytes == 0) text = fmt::format("{}{}", bytes / unit.bytes, unit.name);
  }
  return text;
}

std::optional<std::int64_t> parse_number(std::string_view value) { return digits(value); }

std::vector<std::string> split_path(std::string_view value) {
  std::vector<std::string> folders;
  while (!value.empty()) {
    const std::size_t colon = std::min(value.find(':'), value.size());
    if (colon != 0) folders.emplace_back(value.substr(0, colon));
    value.remove_prefix(std::min(colon + 1, value.size()));
  }
  return folders;
}

std::optional<std::int64_t> parse_size(std::string_view value) {
  const std::size_t unit_at = std::min(value.find_first_not_of("0123456789"), value.size());
  const auto number = digits(value.substr(0, unit_at));
  if (!number) return std::nullopt;
  for (const auto& unit : kSizeUnits) {
    if (unit.name != value.substr(unit_at)) continue;
    if (*number > kMostBytes / unit.bytes) return std::nullopt;
    return *number * unit.bytes;
  }
  return std::nullopt;
}

std::optional<milliseconds> span_of_time(std::string_view value) {
  const std::size_t unit_at = std::min(value.find_first_not_of("0123456789"), value.size());
  const auto number = digits(value.substr(0, unit_at));
  if (!number) return std::nullopt;
  for (const auto& unit : kUnits) {
    if (unit.name != value.substr(unit_at)) continue;
    if (*number > kLongestTime.count() / unit.milliseconds) return std::nullopt;
    return milliseconds(*number * unit.milliseconds);
  }
  return std::nullopt;
}

}  // namespace wsgix::config

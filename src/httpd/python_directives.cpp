// SPDX-License-Identifier: Apache-2.0
// Directives that say how Python starts: WSGIPythonOptimize and the like.
#include <fmt/format.h>

#include <algorithm>

#include "directives.hpp"
#include "wsgix/wsgi/environ.hpp"

namespace wsgix::httpd {

Result<void> set_python_optimize(Line& line, std::string_view value) {
  constexpr int kMost = 2;
  const auto number = config::parse_signed(value);
  if (!number) return refused(line, fmt::format("'{}' is not 0, 1 or 2", value));
  line.server.python.optimize = static_cast<int>(std::clamp<long long>(*number, 0, kMost));
  if (line.server.python.optimize != *number) {
    notice(line, {ErrorCode::ValueAdjusted,
                  fmt::format("WSGIPythonOptimize {}: {} is used, the nearest that can be", value,
                              line.server.python.optimize)});
  }
  return {};
}

Result<void> add_python_warnings(Line& line, std::string_view value) {
  // PYTHONWARNINGS separates filters by commas, and knows no way to write one.
  if (value.find(',') != std::string_view::npos) {
    notice(line, {ErrorCode::SettingHadNoEffect,
                  fmt::format("WSGIPythonWarnings '{}': a filter with a comma is left out", value),
                  0, "write each filter in a line of its own"});
    return {};
  }
  line.server.python.warnings.emplace_back(value);
  return {};
}

Result<void> set_python_hash_seed(Line& line, std::string_view value) {
  constexpr std::int64_t kMost = 4294967295;
  const auto number = config::parse_number(value);
  const bool is_seed = number && *number <= kMost;
  if (!is_seed && value != "random") {
    return refused(line,
                   fmt::format("'{}' is neither 'random' nor a number from 0 to {}", value, kMost));
  }
  line.server.python.hash_seed = value;
  return {};
}

Result<void> set_python_eggs(Line& line, std::string_view value) {
  line.server.python.eggs = value;
  return {};
}

Result<void> set_switch_interval(Line& line, std::string_view value) {
  const auto interval = config::positive_number(value);
  if (!interval) {
    return refused(line, "WSGISwitchInterval must be a positive number of seconds, not '" +
                             std::string(value) + "'");
  }
  line.server.python.switch_interval = *interval;
  return {};
}

std::vector<std::string> environment_of(const PythonOptions& options) {
  std::vector<std::string> environment;
  if (options.optimize > 0) {
    environment.push_back(fmt::format("PYTHONOPTIMIZE={}", options.optimize));
  }
  if (options.dont_write_bytecode) environment.emplace_back("PYTHONDONTWRITEBYTECODE=1");
  if (!options.warnings.empty()) {
    environment.push_back(fmt::format("PYTHONWARNINGS={}", fmt::join(options.warnings, ",")));
  }
  if (!options.hash_seed.empty()) {
    environment.push_back("PYTHONHASHSEED=" + options.hash_seed);
  }
  return environment;
}

}  // namespace wsgix::httpd

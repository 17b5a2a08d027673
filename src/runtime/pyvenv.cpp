// SPDX-License-Identifier: Apache-2.0
#include "pyvenv.hpp"

#include <algorithm>
#include <cctype>

namespace wsgix::runtime {
namespace {

std::string_view trimmed(std::string_view text) {
  constexpr std::string_view kBlanks = " \t\r\n";
  const auto first = text.find_first_not_of(kBlanks);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(kBlanks) - first + 1);
}

std::string lower(std::string_view text) {
  std::string result(text);
  std::transform(result.begin(), result.end(), result.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return result;
}

std::size_t digits_in_front(std::string_view text) {
  return std::min(text.find_first_not_of("0123456789"), text.size());
}

}  // namespace

Pyvenv parse_pyvenv(std::string_view text) {
  Pyvenv found;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    const std::size_t equals = line.find('=');
    if (equals == std::string_view::npos) continue;
    const std::string key = lower(trimmed(line.substr(0, equals)));
    const std::string_view value = trimmed(line.substr(equals + 1));
    if (key == "home") found.home = value;
    if (key == "executable" || key == "base-executable") found.executable = value;
    if (key == "version" || key == "version_info") found.version = minor_version_of(value);
  }
  return found;
}

std::string minor_version_of(std::string_view version) {
  const std::size_t major = digits_in_front(version);
  if (major == 0 || major >= version.size() || version[major] != '.') return {};
  const std::size_t minor = digits_in_front(version.substr(major + 1));
  return minor == 0 ? std::string() : std::string(version.substr(0, major + 1 + minor));
}

std::string version_in_library_name(std::string_view path) {
  constexpr std::string_view kStem = "libpython";
  const std::string_view name = path.substr(path.rfind('/') + 1);
  return name.starts_with(kStem) ? minor_version_of(name.substr(kStem.size())) : std::string();
}

}  // namespace wsgix::runtime

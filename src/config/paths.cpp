// SPDX-License-Identifier: Apache-2.0
#include "wsgix/config/paths.hpp"

#include <algorithm>

namespace wsgix::config {
namespace {

/// The next part between slashes, taken from the front; empty at the end.
std::string_view take_part(std::string_view& rest) {
  rest.remove_prefix(std::min(rest.find_first_not_of('/'), rest.size()));
  const std::string_view part = rest.substr(0, rest.find('/'));
  rest.remove_prefix(part.size());
  return part;
}

bool goes_up(std::string_view path) {
  for (std::string_view part = take_part(path); !part.empty(); part = take_part(path)) {
    if (part == "..") return true;
  }
  return false;
}

}  // namespace

std::optional<std::string> normal_path(std::string_view path) {
  if (!path.starts_with('/') || goes_up(path)) return std::nullopt;
  std::string normal;
  for (std::string_view part = take_part(path); !part.empty(); part = take_part(path)) {
    if (part == ".") continue;
    normal += '/';
    normal += part;
  }
  return normal.empty() ? std::string("/") : normal;
}

bool is_below(std::string_view folder, std::string_view path) {
  while (folder.ends_with('/')) folder.remove_suffix(1);
  return path.starts_with(folder) && path.substr(folder.size()).starts_with('/');
}

std::optional<std::string_view> path_in_jail(std::string_view jail, std::string_view path) {
  if (!path.starts_with('/')) return std::nullopt;
  std::string_view rest = path;
  for (std::string_view wanted = take_part(jail); !wanted.empty(); wanted = take_part(jail)) {
    std::string_view part = take_part(rest);
    while (part == ".") part = take_part(rest);
    if (part != wanted) return std::nullopt;
  }
  // What is left begins with its slash, or is the jail itself.
  if (rest.empty() || goes_up(rest)) return std::nullopt;
  return rest;
}

}  // namespace wsgix::config

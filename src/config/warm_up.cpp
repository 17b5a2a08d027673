// SPDX-License-Identifier: Apache-2.0
#include "wsgix/config/warm_up.hpp"

#include <algorithm>

namespace wsgix::config {
namespace {

constexpr std::string_view kHostCharacters =
    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-:[]";

bool is_printable(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return c > ' ' && c < 127; });
}

}  // namespace

std::optional<WarmUpTarget> warm_up_target(std::string_view text) {
  if (!is_printable(text)) return std::nullopt;
  WarmUpTarget target;
  target.https = text.starts_with("https://");
  if (target.https || text.starts_with("http://")) {
    text.remove_prefix(text.find("//") + 2);
    const std::size_t host_end = std::min(text.find('/'), text.size());
    target.host = text.substr(0, host_end);
    if (target.host.empty() ||
        target.host.find_first_not_of(kHostCharacters) != std::string::npos) {
      return std::nullopt;
    }
    text.remove_prefix(host_end);
  }
  const std::size_t path_end = std::min(text.find('?'), text.size());
  target.path = text.substr(0, path_end);
  if (path_end < text.size()) target.query = text.substr(path_end + 1);
  const bool is_plain =
      target.path.starts_with('/') && target.path.find_first_of("%#") == std::string::npos;
  if (!is_plain || target.query.find('#') != std::string::npos) return std::nullopt;
  return target;
}

}  // namespace wsgix::config

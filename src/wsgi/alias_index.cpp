// SPDX-License-Identifier: Apache-2.0
#include "wsgix/wsgi/alias_index.hpp"

namespace wsgix::wsgi {
namespace {

/// "shop" of "/shop/cart" and of "//shop"; empty for "/" and for what begins with no slash.
std::string_view first_segment(std::string_view path) {
  if (!path.starts_with('/')) return {};
  path.remove_prefix(std::min(path.find_first_not_of('/'), path.size()));
  return path.substr(0, path.find('/'));
}

}  // namespace

void AliasIndex::add(std::string_view location) {
  const std::string_view segment = first_segment(location);
  Positions& positions = segment.empty() ? anywhere_ : by_first_segment_[std::string(segment)];
  positions.push_back(count_++);
}

const AliasIndex::Positions& AliasIndex::below(std::string_view uri) const {
  static const Positions none;
  const auto found = by_first_segment_.find(first_segment(uri));
  return found == by_first_segment_.end() ? none : found->second;
}

}  // namespace wsgix::wsgi

// SPDX-License-Identifier: Apache-2.0
// wsgi/alias_index.hpp: which of many aliases may match a URI, without a look at all of them.
#pragma once

#include <algorithm>
#include <cstddef>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace wsgix::wsgi {

/// Aliases are known by their positions, in the order of add(). match_alias() decides; what it
/// would accept is always visited.
class AliasIndex {
 public:
  /// `location` as it is written.
  void add(std::string_view location);
  /// One that may match anything: a regular expression.
  void add_pattern() { anywhere_.push_back(count_++); }

  /// visit(position) in ascending order, until it returns true. Whether it did.
  template <typename Visit>
  bool visit_candidates(std::string_view uri, Visit visit) const {
    const Positions& here = below(uri);
    auto one = here.begin();
    auto other = anywhere_.begin();
    while (one != here.end() || other != anywhere_.end()) {
      const bool first = other == anywhere_.end() || (one != here.end() && *one < *other);
      if (visit(first ? *one++ : *other++)) return true;
    }
    return false;
  }

 private:
  using Positions = std::vector<std::size_t>;

  const Positions& below(std::string_view uri) const;

  std::map<std::string, Positions, std::less<>> by_first_segment_;
  Positions anywhere_;
  std::size_t count_ = 0;
};

}  // namespace wsgix::wsgi

// SPDX-License-Identifier: Apache-2.0
#include "wsgix/wsgi/alias_index.hpp"

#include <gtest/gtest.h>

#include <optional>
#include <random>

#include "wsgix/wsgi/environ.hpp"

namespace wsgix::wsgi {
namespace {

/// A location, or nothing for a pattern, which matches all here.
using Alias = std::optional<std::string>;

AliasIndex index_of(const std::vector<Alias>& aliases) {
  AliasIndex index;
  for (const Alias& alias : aliases) alias ? index.add(*alias) : index.add_pattern();
  return index;
}

bool matches(const Alias& alias, std::string_view uri) {
  return !alias || *alias == "/" || match_alias(uri, *alias) != 0;
}

std::vector<std::size_t> candidates(const AliasIndex& index, std::string_view uri) {
  std::vector<std::size_t> positions;
  index.visit_candidates(uri, [&](std::size_t position) {
    positions.push_back(position);
    return false;
  });
  return positions;
}

std::optional<std::size_t> first_match(const std::vector<Alias>& aliases, std::string_view uri) {
  for (std::size_t i = 0; i < aliases.size(); ++i) {
    if (matches(aliases[i], uri)) return i;
  }
  return std::nullopt;
}

TEST(AliasIndex, VisitsOnlyTheFirstSegmentAndWhatMayBeAnywhereInTheOrderOfTheLines) {
  const AliasIndex index =
      index_of({"/shop/cart", "/blog", "/", "/shop", std::nullopt, "//shop//admin", "shop"});

  EXPECT_EQ(candidates(index, "/shop/x"), (std::vector<std::size_t>{0, 2, 3, 4, 5, 6}));
  EXPECT_EQ(candidates(index, "///blog"), (std::vector<std::size_t>{1, 2, 4, 6}));
  EXPECT_EQ(candidates(index, "/"), (std::vector<std::size_t>{2, 4, 6}));
}

TEST(AliasIndex, StopsWhenSomebodyIsFound) {
  const AliasIndex index = index_of({"/a", "/a", "/a"});
  int visited = 0;

  EXPECT_TRUE(index.visit_candidates("/a", [&](std::size_t at) { return ++visited, at == 1; }));
  EXPECT_EQ(visited, 2);
}

TEST(AliasIndex, FindsTheAliasThatALookAtAllWouldFind) {
  std::mt19937 random(7);  // NOLINT: the same every time
  const auto pick = [&](std::initializer_list<const char*> of) {
    return *(of.begin() + std::uniform_int_distribution<std::size_t>(0, of.size() - 1)(random));
  };
  const auto path = [&] {
    std::string made;
    const int parts = std::uniform_int_distribution<int>(0, 4)(random);
    for (int i = 0; i < parts; ++i) made += pick({"/", "//", "a", "b", "ab", "/a", "/b"});
    return made;
  };
  for (int round = 0; round < 2000; ++round) {
    std::vector<Alias> aliases;
    for (int i = 0; i < 6; ++i) {
      aliases.push_back(i == 5 && round % 7 == 0 ? Alias() : Alias(path()));
    }
    const AliasIndex index = index_of(aliases);
    for (int i = 0; i < 20; ++i) {
      const std::string uri = "/" + path();
      std::optional<std::size_t> found;
      index.visit_candidates(uri, [&](std::size_t position) {
        if (!matches(aliases[position], uri)) return false;
        found = position;
        return true;
      });
      ASSERT_EQ(found, first_match(aliases, uri)) << uri;
    }
  }
}

}  // namespace
}  // namespace wsgix::wsgi

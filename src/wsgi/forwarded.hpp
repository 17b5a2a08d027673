// SPDX-License-Identifier: Apache-2.0
// wsgi/forwarded.hpp: the two headers that list the hops of a request, as elements.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace wsgix::wsgi {

/// The elements of X-Forwarded-For: between commas, without blanks around, empty ones left out.
std::vector<std::string_view> split_forwarded_for(std::string_view value);

/// One hop of RFC 7239. Values are without their quotes.
struct ForwardedElement {
  std::string_view text;  ///< as written, without blanks around
  std::optional<std::string> client;
  std::optional<std::string> host;
  std::optional<std::string> scheme;
};

/// nullopt when the header breaks the grammar anywhere: one side of a broken quote cannot be
/// told from the other, so no part of it is believed. Empty elements are left out.
std::optional<std::vector<ForwardedElement>> parse_forwarded(std::string_view value);

}  // namespace wsgix::wsgi

// SPDX-License-Identifier: Apache-2.0
// config/suggestion.hpp: the name somebody probably meant.
#pragma once

#include <string_view>
#include <vector>

namespace wsgix::config {

/// The candidate with the fewest edits, or empty when even that one is another word.
std::string_view closest(std::string_view written, const std::vector<std::string_view>& candidates);

}  // namespace wsgix::config

// SPDX-License-Identifier: Apache-2.0
// cli/group_text.hpp: the state of a group as text for a terminal. Pure.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "wsgix/wire/group_status.hpp"

namespace wsgix::cli {

/// Several lines. Nothing in it can control the terminal, whatever the answer said.
std::string group_text(const wire::GroupStatus& status);

/// "0.3 s", "12 s", "5 min", "3 h", "2 d"; "-" when it is not known.
std::string age_text(const wire::Age& age);
/// "45 MiB"; "-" for 0.
std::string size_text(std::uint64_t bytes);
/// Everything but printable ASCII is '?'.
std::string printable(std::string_view text);

std::uint32_t workers_in(const wire::GroupStatus& status, std::string_view state);

}  // namespace wsgix::cli

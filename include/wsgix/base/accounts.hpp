// SPDX-License-Identifier: Apache-2.0
// base/accounts.hpp: accounts in the words of an operator.
#pragma once

#include <sys/stat.h>

#include <cstdint>
#include <string>
#include <string_view>

namespace wsgix {

/// "www-data", or the number when the account has no name.
std::string name_of_user(std::uint32_t uid);
std::string name_of_group(std::uint32_t gid);

/// "user www-data cannot search /srv (mode 0700, owner joe)". `file` is what lies at that path.
std::string describe_refusal(std::uint32_t uid, std::string_view verb, std::string_view path,
                             const struct stat& file);

}  // namespace wsgix

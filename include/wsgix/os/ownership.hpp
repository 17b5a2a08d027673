// SPDX-License-Identifier: Apache-2.0
// os/ownership.hpp: to whom a script and its folder belong, asked of opened files.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>

#include "wsgix/base/result.hpp"

namespace wsgix::os {

/// With a user nobody else may write, the group included; with a group, the world may not.
struct RequiredOwner {
  std::optional<std::uint32_t> uid;
  std::optional<std::uint32_t> gid;

  bool is_given() const noexcept { return uid || gid; }
};

/// Looks at the opened file and at the opened folder that it lies in; for a link also at the folder
/// of the link, whose owner decides which file it names. ScriptOwnerRefused names the path, what is
/// wrong with it and how to put it right.
Result<void> check_owner(const std::string& script, const RequiredOwner& required);

}  // namespace wsgix::os

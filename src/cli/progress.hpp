// SPDX-License-Identifier: Apache-2.0
// cli/progress.hpp: whether a group has done what it was asked to, judged from two looks at it.
// Pure.
#pragma once

#include <string>

#include "wsgix/wire/group_status.hpp"

namespace wsgix::cli {

/// Every worker of `before` has been replaced, and all processes are ready.
bool is_reloaded(const wire::GroupStatus& before, const wire::GroupStatus& now);
/// As many workers serve as the group should have.
bool is_complete(const wire::GroupStatus& now);
/// No worker is left.
bool is_drained(const wire::GroupStatus& now);

/// The first worker that `before` does not have and that failed since; empty: none has.
std::string failed_start(const wire::GroupStatus& before, const wire::GroupStatus& now);

}  // namespace wsgix::cli

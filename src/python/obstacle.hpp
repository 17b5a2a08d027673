// SPDX-License-Identifier: Apache-2.0
// python/obstacle.hpp: why this process cannot read a file, in words; knows nothing of Python.
#pragma once

#include <string>

namespace wsgix::python {

/// "user www-data cannot search /srv (mode 0700, owner joe)", or empty when nothing stands in the
/// way. For a directory reading includes searching it.
std::string obstacle_to_reading(const std::string& path);

}  // namespace wsgix::python

// SPDX-License-Identifier: Apache-2.0
// python/module_finder.hpp: looks for a missing module where its owner probably has it.
#pragma once

#include <string>
#include <string_view>

namespace wsgix::python {

/// What to add to the configuration, when the module lies in a virtual environment or in a folder
/// beside the script or above it; empty when it is not found. `prefix` is the environment that was
/// searched in vain. Reads directories only.
std::string advice_for_missing_module(std::string_view module, const std::string& script,
                                      const std::string& prefix, std::string_view process_group);

}  // namespace wsgix::python

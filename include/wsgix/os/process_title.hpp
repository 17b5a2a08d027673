// SPDX-License-Identifier: Apache-2.0
// os/process_title.hpp: what ps and top show of this process.
#pragma once

#include <string_view>

namespace wsgix::os {

/// Finds the bytes that ps reads. Call it once, first thing in main(), before anything keeps a
/// pointer into argv: set_process_title() overwrites them.
void claim_title_area(int argc, char** argv) noexcept;

/// Cut to the claimed bytes, which the caller of exec made large with blanks. Also sets the
/// short name that top shows.
void set_process_title(std::string_view title) noexcept;

}  // namespace wsgix::os

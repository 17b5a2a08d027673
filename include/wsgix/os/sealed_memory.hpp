// SPDX-License-Identifier: Apache-2.0
// os/sealed_memory.hpp: anonymous memory files that other processes can rely on.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "wsgix/base/result.hpp"
#include "wsgix/base/unique_fd.hpp"

namespace wsgix::os {

/// An anonymous file with these bytes, sealed against writing and resizing; close-on-exec.
Result<UniqueFd> sealed_memory(std::string_view name, std::string_view bytes);

/// An anonymous file of that many zero bytes, to be mapped and written by several processes. It is
/// sealed against resizing, so that nobody can pull the memory away from under the others (SIGBUS).
Result<UniqueFd> shared_memory(std::string_view name, std::size_t bytes);

/// All bytes of a file of sealed_memory(). Refuses one that is not sealed or is longer than
/// `limit`: its other owners could change it while it is read.
Result<std::string> read_sealed(int fd, std::size_t limit);

}  // namespace wsgix::os

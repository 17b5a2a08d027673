// SPDX-License-Identifier: Apache-2.0
// os/sealed_memory.hpp: bytes for another program that nobody can change after they were written.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "wsgix/base/result.hpp"
#include "wsgix/base/unique_fd.hpp"

namespace wsgix::os {

/// An anonymous file with these bytes, sealed against writing and resizing; close-on-exec.
Result<UniqueFd> sealed_memory(std::string_view name, std::string_view bytes);

/// All bytes of such a file. Refuses one that is not sealed or is longer than `limit`: its other
/// owners could change it while it is read.
Result<std::string> read_sealed(int fd, std::size_t limit);

}  // namespace wsgix::os

// SPDX-License-Identifier: Apache-2.0
// os/limits.hpp: what the kernel lets this process use, and how soon it gets its turn.
#pragma once

#include <cstdint>

#include "wsgix/base/result.hpp"

namespace wsgix::os {

enum class Resource : std::uint8_t {
  CpuSeconds,    ///< soft: SIGXCPU; hard: SIGKILL
  DataBytes,     ///< heap and anonymous mappings
  AddressSpace,  ///< every mapping
  OpenDescriptors,
};

/// Both limits of this process and of what it starts. Without privilege they can only sink.
Result<void> set_limit(Resource resource, std::uint64_t soft, std::uint64_t hard);

/// As setpriority(2): -20 to 19, lower runs sooner. Below the present one it needs privilege.
Result<void> set_priority(int priority);

/// Raises the soft limit of open descriptors to the hard one, but not above `most`: programs that
/// the application starts may walk through every possible descriptor.
Result<void> raise_descriptor_limit(std::uint64_t most);

}  // namespace wsgix::os

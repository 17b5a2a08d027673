// SPDX-License-Identifier: Apache-2.0
// os/random.hpp: bytes nobody can guess, from the kernel.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "wsgix/base/result.hpp"

namespace wsgix::os {

/// Waits until the kernel's generator is seeded, which it is long before httpd starts.
Result<std::string> random_bytes(std::size_t count);

/// Takes the same time wherever the first difference is. Lengths are not secret.
bool equal_in_constant_time(std::string_view one, std::string_view other) noexcept;

}  // namespace wsgix::os

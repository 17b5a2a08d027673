// SPDX-License-Identifier: Apache-2.0
// python/script_source.hpp: the bytes of a WSGI script and when they changed; no Python in here.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "wsgix/base/result.hpp"

namespace wsgix::python {

struct ScriptSource {
  std::string bytes;
  std::int64_t modified_us = 0;  ///< microseconds since 1970
};

/// Failures name what stands in the way: the directory, its owner and mode, this process's user.
Result<ScriptSource> read_script(const std::string& path);

/// Nothing when the file cannot be looked at.
std::optional<std::int64_t> modification_time_us(const std::string& path);

}  // namespace wsgix::python

// SPDX-License-Identifier: Apache-2.0
// python/interruption.hpp: what an exception that wsgix_runtime.interrupt() raised means for the
// request that it ended.
#pragma once

#include <optional>
#include <string_view>

#include "exception.hpp"
#include "interpreter.hpp"
#include "log_target.hpp"
#include "wsgix/base/error.hpp"
#include "wsgix/runtime/abi.h"

namespace wsgix::python {

/// Nothing: an exception of the application's own.
std::optional<wsgix_interruption> interruption_of(const Exception& cause,
                                                  const Interpreter& interpreter);

ErrorCode code_of(wsgix_interruption why) noexcept;
/// The status for a request that could not be run, from the diagnostic.
int status_of(ErrorCode code) noexcept;

/// Says where it struck. An information only: whoever interrupts says why.
void log_interruption(const Exception& cause, std::string_view script, const LogTarget& log);

}  // namespace wsgix::python

// SPDX-License-Identifier: Apache-2.0
// python/service.hpp: a script that runs to its end instead of answering requests.
#pragma once

#include <optional>

#include "process.hpp"
#include "wsgix/base/error.hpp"
#include "wsgix/runtime/abi.h"

namespace wsgix::python {

/// On the thread that called start(), without any GIL. Nothing: it returned or left with
/// SystemExit. Otherwise the cause, logged already.
std::optional<Error> run_service_script(Process& process, const wsgix_script& script);

}  // namespace wsgix::python

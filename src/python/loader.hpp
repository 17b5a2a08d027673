// SPDX-License-Identifier: Apache-2.0
// python/loader.hpp: from a script's path to its WSGI callable.
#pragma once

#include <optional>

#include "interpreter.hpp"
#include "ref.hpp"
#include "wsgix/runtime/abi.h"

namespace wsgix::python {

class RunningRequest;

struct Application {
  Ref callable;                  ///< null unless the script is ready
  bool is_stale = false;         ///< the file changed; nothing was executed
  std::optional<Error> failure;  ///< logged already
};

/// Loads the script when that is due. `request` is the one that needs it, and `asked` what it came
/// as; null: nobody's yet.
/// Needs the GIL, gives it up while another thread loads.
/// Leaves no exception pending.
Application load_application(Interpreter& interpreter, const wsgix_script& wanted,
                             const LogTarget& log, RunningRequest* request,
                             const wsgix_request* asked = nullptr);

/// Executes a script that needs no callable and may run for good. Nothing: it returned or left
/// with SystemExit. Needs the GIL; leaves no exception pending.
std::optional<Error> execute_service(Interpreter& interpreter, const wsgix_script& wanted,
                                     const LogTarget& log);

}  // namespace wsgix::python

// SPDX-License-Identifier: Apache-2.0
// python/load_diagnosis.hpp: why a script did not load, and what its owner can do about it.
#pragma once

#include <string>

#include "exception.hpp"
#include "wsgix/base/error.hpp"
#include "wsgix/runtime/abi.h"

namespace wsgix::python {

Error diagnose_load(const Exception& cause, const std::string& script, const wsgix_start& process);

/// Names what the script could have meant.
Error lacks_callable(PyObject* module, const std::string& wanted, const std::string& script);

}  // namespace wsgix::python

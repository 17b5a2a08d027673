// SPDX-License-Identifier: Apache-2.0
// python/search_path.hpp: puts home= and python-path= in front of sys.path.
#pragma once

#include "wsgix/runtime/abi.h"

namespace wsgix::python {

/// For the current interpreter. False: a Python exception is pending.
bool extend_search_path(const wsgix_start& start);

/// Warns about python-path= entries that this process cannot use.
void warn_about_search_path(const wsgix_start& start);

}  // namespace wsgix::python

// SPDX-License-Identifier: Apache-2.0
// python/lingering_threads.hpp: threads of the application that keep Python from ending.
#pragma once

#include "interpreter.hpp"

namespace wsgix::python {

/// Gives the non-daemon threads of the current interpreter, which its end joins, a second to end;
/// names in one warning those that do not. Needs the GIL; leaves no exception pending.
void warn_about_lingering_threads(const Interpreter& interpreter);

}  // namespace wsgix::python

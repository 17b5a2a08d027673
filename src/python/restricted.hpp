// SPDX-License-Identifier: Apache-2.0
// python/restricted.hpp: the type mod_wsgi.Restricted, a stream that nobody may touch.
#pragma once

#include "ref.hpp"

namespace wsgix::python {

Ref make_restricted_type();
/// `name` is "sys.stdin" or "sys.stdout", and static.
Ref new_restricted(PyObject* type, const char* name);

}  // namespace wsgix::python

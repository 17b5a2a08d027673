// SPDX-License-Identifier: Apache-2.0
// python/input.hpp: the type mod_wsgi.Input, which is wsgi.input.
#pragma once

#include "ref.hpp"
#include "request_body.hpp"

namespace wsgix::python {

Ref make_input_type();

/// A wsgi.input that reads from `body` until end_input().
Ref new_input(PyObject* type, RequestBody& body);
/// Afterwards every use raises RuntimeError. Waits for another thread that reads at this moment.
void end_input(PyObject* input);

}  // namespace wsgix::python

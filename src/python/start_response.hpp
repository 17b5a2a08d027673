// SPDX-License-Identifier: Apache-2.0
// python/start_response.hpp: the type mod_wsgi.Adapter: start_response() and write().
#pragma once

#include "ref.hpp"
#include "response.hpp"

namespace wsgix::python {

Ref make_adapter_type();

Ref new_adapter(PyObject* type, Response& response);
/// environ['wsgix.client_disconnected'] of the request that the adapter belongs to.
Ref new_client_disconnected(PyObject* adapter);
/// environ['wsgix.early_hints'], likewise.
Ref new_early_hints(PyObject* adapter);
/// Afterwards every use of them raises RuntimeError. Waits for another thread that writes at this
/// moment.
void end_adapter(PyObject* adapter);

}  // namespace wsgix::python

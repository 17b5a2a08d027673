// SPDX-License-Identifier: Apache-2.0
// python/environ.hpp: the environ dictionary of one request.
#pragma once

#include "ref.hpp"
#include "thread_record.hpp"
#include "wsgix/runtime/abi.h"

namespace wsgix::python {

/// What the environ holds beside text.
struct EnvironObjects {
  PyObject* input;
  PyObject* errors;
  PyObject* client_disconnected;
  PyObject* early_hints;  ///< may be null
};

/// Null: an exception is pending.
Ref make_environ(ThreadRecord& record, const wsgix_request& request, const EnvironObjects& objects);

/// Of what the process gave for the environ; empty when there is none.
std::string_view value_of(const wsgix_request& request, std::string_view key);
/// REQUEST_METHOD; empty when there is none.
std::string_view method_of(const wsgix_request& request);

}  // namespace wsgix::python

// SPDX-License-Identifier: Apache-2.0
// python/modules.hpp: the modules mod_wsgi and apache, which applications import.
#pragma once

#include <string_view>

#include "log_target.hpp"
#include "ref.hpp"
#include "wsgix/runtime/abi.h"

namespace wsgix::python {

/// The mod_wsgi whose contract we keep: programs compare this tuple.
Ref mod_wsgi_version();
Ref apache_version(const wsgix_start& start);

/// Classes that applications find in mod_wsgi; borrowed.
struct ModWsgiClasses {
  PyObject* file_wrapper;
  PyObject* request_timeout;
  PyObject* client_disconnected;
};

/// Both put a module into sys.modules of the current interpreter. False: an exception is pending.
bool add_mod_wsgi_module(const wsgix_start& start, std::string_view application_group,
                         const ModWsgiClasses& classes);
bool add_apache_module(const wsgix_start& start, const LogTarget& log);

}  // namespace wsgix::python

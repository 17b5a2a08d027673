// SPDX-License-Identifier: Apache-2.0
// python/file_wrapper.hpp: the type mod_wsgi.FileWrapper, which is wsgi.file_wrapper.
#pragma once

#include <optional>

#include "raw_file.hpp"

namespace wsgix::python {

Ref make_file_wrapper_type();

/// What `wrapper`, of the class `type` or one below it, would read, when that is known to be a part
/// of a regular file; otherwise iterate over it. No exception is pending afterwards.
std::optional<FileRange> file_range_of(PyObject* wrapper, PyObject* type,
                                       const RawFileTypes& types);

}  // namespace wsgix::python

// SPDX-License-Identifier: Apache-2.0
// python/file_wrapper.hpp: the type mod_wsgi.FileWrapper, which is wsgi.file_wrapper.
#pragma once

#include <cstdint>
#include <optional>

#include "ref.hpp"

namespace wsgix::python {

Ref make_file_wrapper_type();

/// A part of a regular file that can be handed over without reading it.
struct FileRange {
  int descriptor;  ///< stays the property of the Python file object
  std::uint64_t offset;
  std::uint64_t available;
};

/// What `wrapper` would read, when it reads a plain regular file; otherwise iterate over it.
/// No exception is pending afterwards.
std::optional<FileRange> file_range_of(PyObject* wrapper);

}  // namespace wsgix::python

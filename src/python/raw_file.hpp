// SPDX-License-Identifier: Apache-2.0
// python/raw_file.hpp: file objects whose read() provably gives the bytes of a regular file.
#pragma once

#include <cstdint>
#include <optional>

#include "ref.hpp"

namespace wsgix::python {

/// CPython's own classes whose methods nobody can replace, of one interpreter.
struct RawFileTypes {
  Ref file_io;
  Ref buffered_reader;
  Ref buffered_random;

  explicit operator bool() const noexcept { return file_io && buffered_reader && buffered_random; }
};

/// Before the first line of an application: it could put something else in their place.
RawFileTypes find_raw_file_types();

/// A part of a regular file that can be handed over without reading it.
struct FileRange {
  int descriptor;  ///< stays the property of the Python file object
  std::uint64_t offset;
  std::uint64_t available;
};

/// What `filelike.read()` would give up to the end, when that is known without calling it: an
/// object with a descriptor may still read something else (uncompressed, deciphered, decoded).
/// Nothing: read it. No exception is pending afterwards.
std::optional<FileRange> raw_range_of(PyObject* filelike, const RawFileTypes& types);

}  // namespace wsgix::python

// SPDX-License-Identifier: Apache-2.0
#include "raw_file.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <string>
#include <string_view>

#include "gil.hpp"
#include "text.hpp"

namespace wsgix::python {
namespace {

bool is_exactly(PyObject* object, const Ref& type) {
  return reinterpret_cast<PyObject*>(Py_TYPE(object)) == type.get();
}

/// The classes are immutable, but an instance may have a read(), a readinto() or a tell() of its
/// own. Names and modes are what open() and tempfile write there.
bool has_no_methods_of_its_own(PyObject* object) {
  const Ref attributes = attribute(object, "__dict__");
  if (!attributes || !PyDict_CheckExact(attributes.get())) return false;
  PyObject* key = nullptr;
  PyObject* value = nullptr;
  for (Py_ssize_t at = 0; PyDict_Next(attributes.get(), &at, &key, &value);) {
    if (PyUnicode_CompareWithASCIIString(key, "name") != 0 &&
        PyUnicode_CompareWithASCIIString(key, "mode") != 0)
      return false;
  }
  return true;
}

/// Django's own: their read is a property that gives the read of the file inside.
bool is_djangos_file(PyObject* object) {
  struct Known {
    const char* module;
    const char* name;
  };
  constexpr std::array<Known, 3> kKnown = {
      Known{"django.core.files.base", "File"}, Known{"django.db.models.fields.files", "FieldFile"},
      Known{"django.db.models.fields.files", "ImageFieldFile"}};
  return std::any_of(kKnown.begin(), kKnown.end(), [&](const Known& known) {
    // What is not imported cannot be the object's class.
    PyObject* module = PyDict_GetItemString(PyImport_GetModuleDict(), known.module);
    const Ref type = module ? attribute_or_null(module, known.name) : Ref();
    return type && is_exactly(object, type);
  });
}

/// The object itself, or what Django's file hands its read() on to. Whoever replaced that read
/// left a Python function in its position, not the method of a file.
Ref reader_behind(PyObject* filelike) {
  if (!is_djangos_file(filelike)) return Ref::borrow(filelike);
  const Ref read = attribute_or_null(filelike, "read");
  if (!read || type_name(read.get()) != "builtin_function_or_method" ||
      text_attribute(read.get(), "__name__") != "read")
    return {};
  return attribute_or_null(read.get(), "__self__");
}

/// Where the next byte of a read comes from, once a buffer is known to hold the file's own bytes.
struct FilePosition {
  int descriptor;
  off_t offset;
};

std::optional<FilePosition> position_of(PyObject* raw) {
  const Ref readable = call_method(raw, "readable");
  const Ref number = readable ? call_method(raw, "fileno") : Ref();
  if (!number || readable.get() != Py_True) return {};
  const int descriptor = static_cast<int>(PyLong_AsLong(number.get()));
  if (PyErr_Occurred()) return {};
  const int flags = ::fcntl(descriptor, F_GETFL);
  if (flags < 0 || (flags & O_ACCMODE) == O_WRONLY) return {};
  const off_t offset = ::lseek(descriptor, 0, SEEK_CUR);
  if (offset < 0) return {};
  return FilePosition{descriptor, offset};
}

/// Reads where the system says that a file ends: those of /proc and /sys have other sizes.
bool ends_at(int descriptor, off_t size) {
  const GilRelease no_gil;
  char byte = 0;
  return ::pread(descriptor, &byte, 1, size - 1) == 1 && ::pread(descriptor, &byte, 1, size) == 0;
}

bool holds(const FilePosition& position, std::string_view bytes) {
  std::string stored(bytes.size(), '\0');
  const GilRelease no_gil;
  return ::pread(position.descriptor, stored.data(), stored.size(), position.offset) ==
             static_cast<ssize_t>(stored.size()) &&
         stored == bytes;
}

/// peek() writes out what is pending and shows what read() gives before it asks the file again.
/// A buffer may be out of date, or belong to a descriptor that was moved behind its back.
std::optional<FilePosition> position_of_buffered(PyObject* buffered, const RawFileTypes& types) {
  const Ref raw = attribute(buffered, "raw");
  if (!raw || !is_exactly(raw.get(), types.file_io) || !has_no_methods_of_its_own(raw.get()))
    return {};
  if (!position_of(raw.get())) return {};
  const Ref ahead = call_method(buffered, "peek");
  char* data = nullptr;
  Py_ssize_t size = 0;
  if (!ahead || PyBytes_AsStringAndSize(ahead.get(), &data, &size) != 0) return {};
  std::optional<FilePosition> position = position_of(raw.get());
  if (!position || position->offset < size) return {};
  position->offset -= size;
  if (!holds(*position, {data, static_cast<std::size_t>(size)})) return {};
  return position;
}

std::optional<FilePosition> find_position(PyObject* filelike, const RawFileTypes& types) {
  const Ref reader = reader_behind(filelike);
  if (!reader || !has_no_methods_of_its_own(reader.get())) return {};
  if (is_exactly(reader.get(), types.file_io)) return position_of(reader.get());
  if (is_exactly(reader.get(), types.buffered_reader) ||
      is_exactly(reader.get(), types.buffered_random))
    return position_of_buffered(reader.get(), types);
  return {};
}

}  // namespace

RawFileTypes find_raw_file_types() {
  const Ref io = Ref::steal(PyImport_ImportModule("_io"));
  const auto type = [&io](const char* name) {
    return Ref::steal(io ? PyObject_GetAttrString(io.get(), name) : nullptr);
  };
  return {type("FileIO"), type("BufferedReader"), type("BufferedRandom")};
}

std::optional<FileRange> raw_range_of(PyObject* filelike, const RawFileTypes& types) {
  const std::optional<FilePosition> position = find_position(filelike, types);
  PyErr_Clear();
  if (!position) return {};
  struct stat status = {};
  if (::fstat(position->descriptor, &status) != 0 || !S_ISREG(status.st_mode) ||
      status.st_size <= position->offset || !ends_at(position->descriptor, status.st_size))
    return {};
  return FileRange{position->descriptor, static_cast<std::uint64_t>(position->offset),
                   static_cast<std::uint64_t>(status.st_size - position->offset)};
}

}  // namespace wsgix::python

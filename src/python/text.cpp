// SPDX-License-Identifier: Apache-2.0
#include "text.hpp"

#include <algorithm>

namespace wsgix::python {

Ref latin1(std::string_view bytes) {
  return Ref::steal(
      PyUnicode_DecodeLatin1(bytes.data(), static_cast<Py_ssize_t>(bytes.size()), nullptr));
}

Ref utf8(std::string_view bytes) {
  return Ref::steal(
      PyUnicode_DecodeUTF8(bytes.data(), static_cast<Py_ssize_t>(bytes.size()), "replace"));
}

Ref filesystem_text(std::string_view bytes) {
  return Ref::steal(
      PyUnicode_DecodeFSDefaultAndSize(bytes.data(), static_cast<Py_ssize_t>(bytes.size())));
}

std::string to_utf8(PyObject* text) {
  // Lone surrogates (undecodable file names) have no UTF-8 form; a log line must not fail for them.
  const Ref bytes = Ref::steal(PyUnicode_AsEncodedString(text, "utf-8", "backslashreplace"));
  char* data = nullptr;
  Py_ssize_t size = 0;
  if (!bytes || PyBytes_AsStringAndSize(bytes.get(), &data, &size) != 0) {
    PyErr_Clear();
    return "<unprintable>";
  }
  return {data, static_cast<std::size_t>(size)};
}

std::string str_of(PyObject* object) {
  const Ref text = Ref::steal(object ? PyObject_Str(object) : nullptr);
  if (!text) {
    PyErr_Clear();
    return "<unprintable>";
  }
  return to_utf8(text.get());
}

std::string type_name(PyObject* object) {
  return text_attribute(reinterpret_cast<PyObject*>(Py_TYPE(object)), "__name__");
}

bool append_latin1(std::string& to, PyObject* text) {
  if (!PyUnicode_Check(text)) {
    PyErr_Format(PyExc_TypeError, "must be str, not %s", type_name(text).c_str());
    return false;
  }
  // For ASCII, which nearly every status and header is, CPython hands out its own bytes.
  Py_ssize_t size = 0;
  if (const char* data = PyUnicode_AsUTF8AndSize(text, &size)) {
    const std::string_view bytes(data, static_cast<std::size_t>(size));
    const auto is_ascii = [](char c) { return static_cast<unsigned char>(c) < 0x80; };
    if (std::all_of(bytes.begin(), bytes.end(), is_ascii)) {
      to += bytes;
      return true;
    }
  } else {
    PyErr_Clear();  // a lone surrogate: latin-1 below says so in PEP 3333's terms
  }
  const Ref encoded = Ref::steal(PyUnicode_AsLatin1String(text));
  if (!encoded) return false;
  to.append(PyBytes_AsString(encoded.get()), static_cast<std::size_t>(PyBytes_Size(encoded.get())));
  return true;
}

Ref attribute(PyObject* object, const char* name) {
  const Ref interned = Ref::steal(PyUnicode_InternFromString(name));
  return Ref::steal(interned ? PyObject_GetAttr(object, interned.get()) : nullptr);
}

Ref call_method(PyObject* object, const char* name, PyObject* argument) {
  const Ref method = attribute(object, name);
  return Ref::steal(method ? PyObject_CallFunctionObjArgs(method.get(), argument, nullptr)
                           : nullptr);
}

Ref attribute_or_null(PyObject* object, const char* name) {
  Ref value = attribute(object, name);
  if (!value) PyErr_Clear();
  return value;
}

long integer_attribute(PyObject* object, const char* name, long otherwise) {
  const Ref value = attribute_or_null(object, name);
  if (!value || !PyLong_Check(value.get())) return otherwise;
  const long number = PyLong_AsLong(value.get());
  if (number == -1 && PyErr_Occurred()) {
    PyErr_Clear();
    return otherwise;
  }
  return number;
}

std::string text_attribute(PyObject* object, const char* name) {
  const Ref value = attribute_or_null(object, name);
  return value && PyUnicode_Check(value.get()) ? to_utf8(value.get()) : std::string();
}

}  // namespace wsgix::python

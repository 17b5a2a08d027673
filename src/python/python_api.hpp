// SPDX-License-Identifier: Apache-2.0
// python/python_api.hpp: the one place that includes CPython. What the stable ABI of 3.9 lacks,
// or what later headers call by another name, is a function here.
#pragma once

// clang-format off
#define PY_SSIZE_T_CLEAN
#include <Python.h>
#include <structmember.h>
// clang-format on

#include <charconv>
#include <string_view>

#if PY_VERSION_HEX < 0x030A0000 || Py_LIMITED_API + 0 < 0x030A0000
// Exported by every CPython 3, but declared for the stable ABI only since 3.10.
extern "C" const char* PyUnicode_AsUTF8AndSize(PyObject* text, Py_ssize_t* size);
#endif

namespace wsgix::python {

/// "3.11", of the CPython that runs: the stable ABI says nothing of it at compile time.
inline std::string_view running_python() noexcept {
  const std::string_view version = Py_GetVersion();
  return version.substr(0, version.find('.', version.find('.') + 1));
}

/// 11
inline int running_python_minor() noexcept {
  const std::string_view version = running_python();
  int minor = 0;
  std::from_chars(version.data() + version.find('.') + 1, version.data() + version.size(), minor);
  return minor;
}

inline PyObject* new_ref(PyObject* object) noexcept {
  Py_INCREF(object);
  return object;
}

inline PyObject* new_ref_or_null(PyObject* object) noexcept {
  Py_XINCREF(object);
  return object;
}

// The functions of this block are deprecated in some headers and stay in the stable ABI.
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"

inline void set_program_name(const wchar_t* name) noexcept { Py_SetProgramName(name); }
inline void set_python_home(const wchar_t* home) noexcept { Py_SetPythonHome(home); }
inline void force_utf8_mode() noexcept { Py_UTF8Mode = 1; }

inline void fetch_exception(PyObject** type, PyObject** value, PyObject** traceback) noexcept {
  PyErr_Fetch(type, value, traceback);
  PyErr_NormalizeException(type, value, traceback);
}

inline void restore_exception(PyObject* type, PyObject* value, PyObject* traceback) noexcept {
  PyErr_Restore(type, value, traceback);
}

#pragma GCC diagnostic pop

/// Function pointers become the void* of a PyType_Slot.
template <typename Function>
void* slot(Function* function) noexcept {
  return reinterpret_cast<void*>(function);
}

}  // namespace wsgix::python

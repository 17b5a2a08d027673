// SPDX-License-Identifier: Apache-2.0
// python/call.hpp: the only doors through which CPython calls into C++.
#pragma once

#include <exception>
#include <new>

#include "ref.hpp"

namespace wsgix::python {

/// Runs `body`, which returns a Ref; a C++ exception becomes a Python one.
template <typename Body>
PyObject* guarded(Body body) noexcept {
  try {
    return body().release();
  } catch (const std::bad_alloc&) {
    return PyErr_NoMemory();
  } catch (const std::exception& bug) {
    PyErr_SetString(PyExc_SystemError, bug.what());
  } catch (...) {
    PyErr_SetString(PyExc_SystemError, "C++ exception of unknown type");
  }
  return nullptr;
}

/// Fills METH_O and METH_VARARGS entries. A null Ref: the function has set an exception.
template <Ref (*Function)(PyObject* self, PyObject* argument)>
PyObject* method(PyObject* self, PyObject* argument) noexcept {
  return guarded([=] { return Function(self, argument); });
}

/// Fills METH_NOARGS entries.
template <Ref (*Function)(PyObject* self)>
PyObject* method_noargs(PyObject* self, PyObject*) noexcept {
  return guarded([=] { return Function(self); });
}

/// Fills Py_tp_iternext and similar slots that take the object alone.
template <Ref (*Function)(PyObject* self)>
PyObject* unary(PyObject* self) noexcept {
  return guarded([=] { return Function(self); });
}

/// Fills getters of properties.
template <Ref (*Function)(PyObject* self)>
PyObject* getter(PyObject* self, void*) noexcept {
  return guarded([=] { return Function(self); });
}

/// Fills Py_tp_new of types that only C++ makes objects of. (The flag for it came with 3.10.)
inline PyObject* not_creatable(PyTypeObject* type, PyObject*, PyObject*) noexcept {
  PyErr_Format(PyExc_TypeError, "cannot create instances of %R", type);
  return nullptr;
}

}  // namespace wsgix::python

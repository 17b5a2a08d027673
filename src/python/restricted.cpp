// SPDX-License-Identifier: Apache-2.0
#include "restricted.hpp"

#include "call.hpp"

namespace wsgix::python {
namespace {

struct RestrictedObject {
  PyObject_HEAD const char* name;
};

Ref refuse(PyObject* self, PyObject*) {
  PyErr_Format(PyExc_OSError, "%s access restricted by mod_wsgi",
               reinterpret_cast<RestrictedObject*>(self)->name);
  return {};
}

void destroy(PyObject* self) noexcept {
  PyTypeObject* type = Py_TYPE(self);
  PyObject_Free(self);
  Py_DECREF(type);
}

PyType_Slot kSlots[] = {
    {Py_tp_new, slot(not_creatable)},
    {Py_tp_dealloc, slot(destroy)},
    {Py_tp_getattro, slot(method<refuse>)},
    {},
};

PyType_Spec kSpec = {"mod_wsgi.Restricted", sizeof(RestrictedObject), 0, Py_TPFLAGS_DEFAULT,
                     kSlots};

}  // namespace

Ref make_restricted_type() { return Ref::steal(PyType_FromSpec(&kSpec)); }

Ref new_restricted(PyObject* type, const char* name) {
  Ref stream = Ref::steal(PyType_GenericAlloc(reinterpret_cast<PyTypeObject*>(type), 0));
  if (stream) reinterpret_cast<RestrictedObject*>(stream.get())->name = name;
  return stream;
}

}  // namespace wsgix::python

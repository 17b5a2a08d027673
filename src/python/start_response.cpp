// SPDX-License-Identifier: Apache-2.0
#include "start_response.hpp"

#include <string>
#include <utility>

#include "call.hpp"
#include "text.hpp"
#include "wsgix/wsgi/response_rules.hpp"

namespace wsgix::python {
namespace {

struct AdapterObject {
  PyObject_HEAD Response* response;  // null once the request is over
};

/// Null with RuntimeError pending when the request is over.
Response* response_of(PyObject* self, const char* function) {
  Response* response = reinterpret_cast<AdapterObject*>(self)->response;
  if (!response)
    PyErr_Format(PyExc_RuntimeError, "%s() was called after the request ended", function);
  return response;
}

bool keeps_rule(const wsgi::Objection& objection) {
  if (objection) PyErr_SetString(PyExc_ValueError, objection->c_str());
  return !objection;
}

bool read_status(PyObject* status, ResponseHead& head) {
  std::string text;
  if (!append_latin1(text, status) || !keeps_rule(wsgi::object_to_status(text))) return false;
  const wsgi::StatusLine line = wsgi::split_status(text);
  head.set_status(line.code, line.reason);
  return true;
}

bool read_header(PyObject* item, std::string& name, std::string& value) {
  if (!PyTuple_Check(item)) {
    PyErr_Format(PyExc_TypeError, "each header must be a 2-tuple, not %s", type_name(item).c_str());
    return false;
  }
  if (PyTuple_Size(item) != 2) {
    PyErr_Format(PyExc_ValueError, "each header must be a 2-tuple, got length %zd",
                 PyTuple_Size(item));
    return false;
  }
  name.clear();
  value.clear();
  return append_latin1(name, PyTuple_GetItem(item, 0)) &&
         append_latin1(value, PyTuple_GetItem(item, 1)) &&
         keeps_rule(wsgi::object_to_header_name(name)) &&
         keeps_rule(wsgi::object_to_header_value(value));
}

bool read_headers(PyObject* headers, ResponseHead& head) {
  std::string name;
  std::string value;
  if (!keeps_rule(wsgi::object_to_header_count(static_cast<std::size_t>(PyList_Size(headers)))))
    return false;
  for (Py_ssize_t i = 0; i < PyList_Size(headers); ++i) {
    const Ref item = Ref::borrow(PyList_GetItem(headers, i));
    if (!read_header(item.get(), name, value)) return false;
    head.add_header(name, value);
  }
  return true;
}

/// PEP 3333: the application may replace what it said, until something was sent.
bool may_start(const Response& response, PyObject* exc_info) {
  if (exc_info != Py_None && !PyTuple_Check(exc_info)) {
    PyErr_SetString(PyExc_RuntimeError,
                    "start_response() argument 'exc_info' must be a 3-tuple or None");
    return false;
  }
  if (!response.head_was_sent()) return true;
  if (exc_info == Py_None) {
    PyErr_SetString(PyExc_RuntimeError, "start_response() called more than once without exc_info");
    return false;
  }
  PyObject *type = nullptr, *value = nullptr, *traceback = nullptr;
  if (!PyArg_ParseTuple(exc_info, "OOO:start_response", &type, &value, &traceback)) return false;
  restore_exception(new_ref(type), value == Py_None ? nullptr : new_ref(value),
                    traceback == Py_None ? nullptr : new_ref(traceback));
  return false;
}

Ref start_response(PyObject* self, PyObject* args) {
  PyObject *status = nullptr, *headers = nullptr, *exc_info = Py_None;
  Response* response = response_of(self, "start_response");
  if (!response || !PyArg_ParseTuple(args, "OO|O:start_response", &status, &headers, &exc_info))
    return {};
  if (!PyList_Check(headers)) {
    PyErr_Format(PyExc_TypeError, "start_response() argument 2 must be list, not %s",
                 type_name(headers).c_str());
    return {};
  }
  if (!may_start(*response, exc_info)) return {};

  ResponseHead head;
  if (!read_status(status, head) || !read_headers(headers, head)) return {};
  response->set_head(std::move(head));
  return attribute(self, "write");
}

Ref write(PyObject* self, PyObject* data) {
  Response* response = response_of(self, "write");
  if (!response) return {};
  if (!PyBytes_Check(data)) {
    PyErr_Format(PyExc_TypeError, "write() argument must be bytes, not %s",
                 type_name(data).c_str());
    return {};
  }
  const TurnTaken turn(response->turn());
  if (!turn) {
    PyErr_SetString(PyExc_RuntimeError, "write() was called while another thread writes");
    return {};
  }
  Sent sent =
      response->send_body({PyBytes_AsString(data), static_cast<std::size_t>(PyBytes_Size(data))});
  if (sent == Sent::Done) sent = response->flush();
  if (sent == Sent::Done) return Ref::borrow(Py_None);
  if (sent == Sent::Lost)
    PyErr_SetString(PyExc_OSError, "mod_wsgi response data write error: the client is gone");
  return {};
}

Ref client_disconnected(PyObject* self) {
  const Response* response = response_of(self, "client_disconnected");
  if (!response) return {};
  return Ref::borrow(response->client_is_gone() ? Py_True : Py_False);
}

Ref early_hints(PyObject* self, PyObject* headers) {
  Response* response = response_of(self, "early_hints");
  if (!response) return {};
  if (!PyList_Check(headers)) {
    PyErr_Format(PyExc_TypeError, "early_hints() argument must be list, not %s",
                 type_name(headers).c_str());
    return {};
  }
  const TurnTaken turn(response->turn());
  if (!turn || response->head_was_sent()) {
    PyErr_SetString(PyExc_RuntimeError, "early_hints() was called after the response had begun");
    return {};
  }
  ResponseHead hints;
  if (!read_headers(headers, hints)) return {};
  response->send_hints(hints);
  return Ref::borrow(Py_None);
}

PyObject* call_adapter(PyObject* self, PyObject* args, PyObject* keywords) noexcept {
  if (keywords && PyDict_Size(keywords) > 0) {
    PyErr_SetString(PyExc_TypeError, "start_response() takes no keyword arguments");
    return nullptr;
  }
  return guarded([=] { return start_response(self, args); });
}

void destroy(PyObject* self) noexcept {
  PyTypeObject* type = Py_TYPE(self);
  PyObject_Free(self);
  Py_DECREF(type);
}

// clang-format off
PyMethodDef kMethods[] = {
    {"write", method<write>, METH_O, "write(bytes): sends at once"},
    {},
};

PyMethodDef kClientDisconnected = {
    "client_disconnected", method_noargs<client_disconnected>, METH_NOARGS,
    "client_disconnected() -> bool: whether the client has gone; never waits"};

PyMethodDef kEarlyHints = {"early_hints", method<early_hints>, METH_O,
                           "early_hints(headers): sends an interim response 103"};

PyType_Slot kSlots[] = {
    {Py_tp_doc, const_cast<char*>("start_response(status, headers, exc_info=None) -> write")},
    {Py_tp_new, slot(not_creatable)},
    {Py_tp_dealloc, slot(destroy)},
    {Py_tp_call, slot(call_adapter)},
    {Py_tp_methods, kMethods},
    {},
};

PyType_Spec kSpec = {"mod_wsgi.Adapter", sizeof(AdapterObject), 0, Py_TPFLAGS_DEFAULT, kSlots};
// clang-format on

}  // namespace

Ref make_adapter_type() { return Ref::steal(PyType_FromSpec(&kSpec)); }

Ref new_adapter(PyObject* type, Response& response) {
  Ref adapter = Ref::steal(PyType_GenericAlloc(reinterpret_cast<PyTypeObject*>(type), 0));
  if (adapter) reinterpret_cast<AdapterObject*>(adapter.get())->response = &response;
  return adapter;
}

Ref new_client_disconnected(PyObject* adapter) {
  return Ref::steal(PyCFunction_New(&kClientDisconnected, adapter));
}

Ref new_early_hints(PyObject* adapter) {
  return Ref::steal(PyCFunction_New(&kEarlyHints, adapter));
}

void end_adapter(PyObject* adapter) {
  Response* response = std::exchange(reinterpret_cast<AdapterObject*>(adapter)->response, nullptr);
  if (response) response->turn().wait_until_free();
}

}  // namespace wsgix::python

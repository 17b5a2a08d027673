// SPDX-License-Identifier: Apache-2.0
#include "input.hpp"

#include <cstdint>
#include <limits>
#include <optional>
#include <utility>

#include "call.hpp"
#include "text.hpp"

namespace wsgix::python {
namespace {

struct InputObject {
  PyObject_HEAD RequestBody* body;  // null once the request is over
};

constexpr std::size_t kUnlimited = std::numeric_limits<std::size_t>::max();

/// The body for the length of one call. False: RuntimeError is pending.
class BodyUse {
 public:
  BodyUse(PyObject* self, const char* method_name) {
    RequestBody* body = reinterpret_cast<InputObject*>(self)->body;
    const char* problem = "was called after the request ended";
    if (body) {
      turn_.emplace(body->turn());
      if (*turn_) body_ = body;
      problem = "was called while another thread reads";
    }
    if (!body_) PyErr_Format(PyExc_RuntimeError, "wsgi.input.%s() %s", method_name, problem);
  }

  explicit operator bool() const noexcept { return body_ != nullptr; }
  RequestBody& operator*() const noexcept { return *body_; }
  RequestBody* operator->() const noexcept { return body_; }

 private:
  std::optional<TurnTaken> turn_;
  RequestBody* body_ = nullptr;
};

/// For methods that do not touch the body.
bool is_open(PyObject* self, const char* method_name) {
  if (reinterpret_cast<InputObject*>(self)->body) return true;
  PyErr_Format(PyExc_RuntimeError, "wsgi.input.%s() was called after the request ended",
               method_name);
  return false;
}

/// None and negative numbers mean "all".
bool parse_size(PyObject* args, const char* format, std::size_t& size) {
  PyObject* wanted = Py_None;
  if (!PyArg_ParseTuple(args, format, &wanted)) return false;
  size = kUnlimited;
  if (wanted == Py_None) return true;
  const Ref index = Ref::steal(PyNumber_Index(wanted));
  if (!index) return false;
  const Py_ssize_t number = PyLong_AsSsize_t(index.get());
  if (number == -1 && PyErr_Occurred()) return false;
  if (number >= 0) size = static_cast<std::size_t>(number);
  return true;
}

/// The bytes, or OSError when there are none because the body failed.
Ref bytes_or_failure(RequestBody& body, const std::string& bytes, std::size_t wanted) {
  if (bytes.empty() && wanted > 0 && body.has_failed()) {
    PyErr_SetString(PyExc_OSError, body.take_failure_text().c_str());
    return {};
  }
  return Ref::steal(PyBytes_FromStringAndSize(bytes.data(), static_cast<Py_ssize_t>(bytes.size())));
}

Ref read(PyObject* self, PyObject* args) {
  std::size_t size = 0;
  const BodyUse body(self, "read");
  if (!body || !parse_size(args, "|O:read", size)) return {};
  return bytes_or_failure(*body, body->read(size), size);
}

Ref readline(PyObject* self, PyObject* args) {
  std::size_t size = 0;
  const BodyUse body(self, "readline");
  if (!body || !parse_size(args, "|O:readline", size)) return {};
  return bytes_or_failure(*body, body->read_line(size), size);
}

Ref readlines(PyObject* self, PyObject* args) {
  std::size_t hint = 0;
  const BodyUse body(self, "readlines");
  if (!body || !parse_size(args, "|O:readlines", hint)) return {};
  if (hint == 0) hint = kUnlimited;  // as io.IOBase has it
  Ref lines = Ref::steal(PyList_New(0));
  std::size_t total = 0;
  while (lines && total < hint) {
    const std::string line = body->read_line(kUnlimited);
    // A failure in the middle is raised by the call after this one.
    if (line.empty() && PyList_Size(lines.get()) > 0) break;
    const Ref bytes = bytes_or_failure(*body, line, kUnlimited);
    if (!bytes) return {};
    if (line.empty()) break;
    if (PyList_Append(lines.get(), bytes.get()) != 0) return {};
    total += line.size();
  }
  return lines;
}

Ref readinto(PyObject* self, PyObject* buffer) {
  const BodyUse body(self, "readinto");
  if (!body) return {};
  const Ref raw = Ref::steal(PyMemoryView_FromObject(buffer));
  if (!raw) return {};
  const Ref into = Ref::steal(PyObject_CallMethod(raw.get(), "cast", "s", "B"));
  if (!into) return {};
  const Py_ssize_t room = PyObject_Length(into.get());
  if (room < 0) return {};
  const auto wanted = static_cast<std::size_t>(room);
  const std::string received = body->read_some(wanted);
  const Ref bytes = bytes_or_failure(*body, received, wanted);
  if (!bytes) return {};
  const auto size = static_cast<Py_ssize_t>(received.size());
  if (size > 0 && PySequence_SetSlice(into.get(), 0, size, bytes.get()) != 0) return {};
  return Ref::steal(PyLong_FromSsize_t(size));
}

Ref iterate(PyObject* self) {
  if (!is_open(self, "__iter__")) return {};
  return Ref::borrow(self);
}

Ref next_line(PyObject* self) {
  const BodyUse body(self, "__next__");
  if (!body) return {};
  const std::string line = body->read_line(kUnlimited);
  Ref bytes = bytes_or_failure(*body, line, kUnlimited);
  return line.empty() ? Ref() : std::move(bytes);
}

Ref enter(PyObject* self) {
  if (!is_open(self, "__enter__")) return {};
  return Ref::borrow(self);
}

// Wrappers such as io.TextIOWrapper close what they wrap when they go. The body stays readable
// afterwards, because frameworks read what is left of it at the end of the request.
Ref close(PyObject* self) {
  if (!is_open(self, "close")) return {};
  return Ref::borrow(Py_None);
}

Ref leave(PyObject* self, PyObject*) { return close(self); }
Ref closed(PyObject* self) {
  return Ref::borrow(reinterpret_cast<InputObject*>(self)->body ? Py_False : Py_True);
}
Ref yes(PyObject* self) { return is_open(self, "readable") ? Ref::borrow(Py_True) : Ref(); }
Ref no(PyObject*) { return Ref::borrow(Py_False); }

void destroy(PyObject* self) noexcept {
  PyTypeObject* type = Py_TYPE(self);
  PyObject_Free(self);
  Py_DECREF(type);
}

// clang-format off
PyMethodDef kMethods[] = {
    {"read", method<read>, METH_VARARGS, "read(size=-1) -> bytes"},
    {"readline", method<readline>, METH_VARARGS, "readline(size=-1) -> bytes"},
    {"readlines", method<readlines>, METH_VARARGS, "readlines(hint=-1) -> list of bytes"},
    {"readinto", method<readinto>, METH_O, "readinto(buffer) -> int"},
    {"close", method_noargs<close>, METH_NOARGS, "close(): does nothing"},
    {"readable", method_noargs<yes>, METH_NOARGS, "readable() -> True"},
    {"seekable", method_noargs<no>, METH_NOARGS, "seekable() -> False"},
    {"writable", method_noargs<no>, METH_NOARGS, "writable() -> False"},
    {"__enter__", method_noargs<enter>, METH_NOARGS, nullptr},
    {"__exit__", method<leave>, METH_VARARGS, nullptr},
    {},
};

PyGetSetDef kProperties[] = {
    {"closed", getter<closed>, nullptr, "True once the request is over", nullptr},
    {},
};

PyType_Slot kSlots[] = {
    {Py_tp_doc, const_cast<char*>("The body of a request.")},
    {Py_tp_new, slot(not_creatable)},
    {Py_tp_dealloc, slot(destroy)},
    {Py_tp_iter, slot(unary<iterate>)},
    {Py_tp_iternext, slot(unary<next_line>)},
    {Py_tp_methods, kMethods},
    {Py_tp_getset, kProperties},
    {},
};

PyType_Spec kSpec = {"mod_wsgi.Input", sizeof(InputObject), 0, Py_TPFLAGS_DEFAULT, kSlots};
// clang-format on

}  // namespace

Ref make_input_type() { return Ref::steal(PyType_FromSpec(&kSpec)); }

Ref new_input(PyObject* type, RequestBody& body) {
  Ref input = Ref::steal(PyType_GenericAlloc(reinterpret_cast<PyTypeObject*>(type), 0));
  if (input) reinterpret_cast<InputObject*>(input.get())->body = &body;
  return input;
}

void end_input(PyObject* input) {
  RequestBody* body = std::exchange(reinterpret_cast<InputObject*>(input)->body, nullptr);
  if (body) body->turn().wait_until_free();
}

}  // namespace wsgix::python

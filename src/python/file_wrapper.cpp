// SPDX-License-Identifier: Apache-2.0
#include "file_wrapper.hpp"

#include "call.hpp"
#include "text.hpp"

namespace wsgix::python {
namespace {

constexpr Py_ssize_t kDefaultBlockBytes = 8192;

struct FileWrapperObject {
  PyObject_HEAD PyObject* filelike;  // owned; null once closed
  Py_ssize_t blksize;
};

FileWrapperObject& object_of(PyObject* self) noexcept {
  return *reinterpret_cast<FileWrapperObject*>(self);
}

int initialize(PyObject* self, PyObject* args, PyObject* keywords) noexcept {
  static char filelike_name[] = "filelike";
  static char blksize_name[] = "blksize";
  static char* names[] = {filelike_name, blksize_name, nullptr};
  PyObject* filelike = nullptr;
  Py_ssize_t blksize = kDefaultBlockBytes;
  if (!PyArg_ParseTupleAndKeywords(args, keywords, "O|n:FileWrapper", names, &filelike, &blksize))
    return -1;
  if (blksize < 0) {
    PyErr_SetString(PyExc_ValueError, "FileWrapper() argument 'blksize' must not be negative");
    return -1;
  }
  Ref old = Ref::steal(object_of(self).filelike);
  object_of(self).filelike = new_ref(filelike);
  object_of(self).blksize = blksize;
  return 0;
}

Ref filelike_of(PyObject* self) {
  // Through the attribute: subclasses may have made it a property.
  Ref filelike = attribute(self, "filelike");
  if (filelike && filelike.get() != Py_None) return filelike;
  if (filelike || PyErr_ExceptionMatches(PyExc_AttributeError)) {
    PyErr_SetString(PyExc_ValueError, "I/O operation on closed file");
  }
  return {};
}

Ref next_block(PyObject* self) {
  const Ref filelike = filelike_of(self);
  const Ref size = filelike ? attribute(self, "blksize") : Ref();
  if (!size) return {};
  Ref block = call_method(filelike.get(), "read", size.get());
  if (!block) return {};
  if (!PyBytes_Check(block.get())) {
    PyErr_Format(PyExc_TypeError, "file-like object's read() must return bytes, not %s",
                 type_name(block.get()).c_str());
    return {};
  }
  return PyBytes_Size(block.get()) > 0 ? std::move(block) : Ref();
}

Ref iterate(PyObject* self) { return filelike_of(self) ? Ref::borrow(self) : Ref(); }

Ref close(PyObject* self) {
  const Ref filelike = Ref::steal(std::exchange(object_of(self).filelike, nullptr));
  if (!filelike) return Ref::borrow(Py_None);
  const Ref close_method = attribute_or_null(filelike.get(), "close");
  if (!close_method) return Ref::borrow(Py_None);
  const Ref result = Ref::steal(PyObject_CallNoArgs(close_method.get()));
  return result ? Ref::borrow(Py_None) : Ref();
}

int traverse(PyObject* self, visitproc visit, void* arg) noexcept {
  Py_VISIT(Py_TYPE(self));
  Py_VISIT(object_of(self).filelike);
  return 0;
}

int clear(PyObject* self) noexcept {
  Py_CLEAR(object_of(self).filelike);
  return 0;
}

void destroy(PyObject* self) noexcept {
  PyTypeObject* type = Py_TYPE(self);
  PyObject_GC_UnTrack(self);
  clear(self);
  reinterpret_cast<freefunc>(PyType_GetSlot(type, Py_tp_free))(self);
  Py_DECREF(type);
}

// clang-format off
PyMethodDef kMethods[] = {
    {"close", method_noargs<close>, METH_NOARGS, "close(): closes the file-like object, once"},
    {},
};

PyMemberDef kMembers[] = {
    {"filelike", T_OBJECT_EX, offsetof(FileWrapperObject, filelike), 0, nullptr},
    {"blksize", T_PYSSIZET, offsetof(FileWrapperObject, blksize), 0, nullptr},
    {},
};

PyType_Slot kSlots[] = {
    {Py_tp_doc, const_cast<char*>("FileWrapper(filelike, blksize=8192): a file as a response")},
    {Py_tp_init, slot(initialize)},
    {Py_tp_dealloc, slot(destroy)},
    {Py_tp_traverse, slot(traverse)},
    {Py_tp_clear, slot(clear)},
    {Py_tp_iter, slot(unary<iterate>)},
    {Py_tp_iternext, slot(unary<next_block>)},
    {Py_tp_methods, kMethods},
    {Py_tp_members, kMembers},
    {},
};

PyType_Spec kSpec = {"mod_wsgi.FileWrapper", sizeof(FileWrapperObject), 0,
                     Py_TPFLAGS_DEFAULT | Py_TPFLAGS_BASETYPE | Py_TPFLAGS_HAVE_GC, kSlots};
// clang-format on

/// A subclass, or a patch of the class, may read whatever it likes.
bool reads_its_file(PyObject* wrapper, PyObject* type) {
  PyTypeObject* const own = Py_TYPE(wrapper);
  return reinterpret_cast<PyObject*>(own) == type &&
         PyType_GetSlot(own, Py_tp_iter) == slot(unary<iterate>) &&
         PyType_GetSlot(own, Py_tp_iternext) == slot(unary<next_block>);
}

}  // namespace

Ref make_file_wrapper_type() { return Ref::steal(PyType_FromSpec(&kSpec)); }

std::optional<FileRange> file_range_of(PyObject* wrapper, PyObject* type,
                                       const RawFileTypes& types) {
  if (!reads_its_file(wrapper, type)) return {};
  const FileWrapperObject& object = object_of(wrapper);
  // Blocks of no size end the response at once, and negative ones mean something else.
  if (!object.filelike || object.blksize <= 0) return {};
  const Ref filelike = Ref::borrow(object.filelike);
  return raw_range_of(filelike.get(), types);
}

}  // namespace wsgix::python

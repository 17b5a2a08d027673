// SPDX-License-Identifier: Apache-2.0
#include "file_wrapper.hpp"

#include <sys/stat.h>

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
  Ref filelike = Ref::steal(PyObject_GetAttrString(self, "filelike"));
  if (filelike && filelike.get() != Py_None) return filelike;
  if (filelike || PyErr_ExceptionMatches(PyExc_AttributeError)) {
    PyErr_SetString(PyExc_ValueError, "I/O operation on closed file");
  }
  return {};
}

Ref next_block(PyObject* self) {
  const Ref filelike = filelike_of(self);
  const Ref size = Ref::steal(filelike ? PyObject_GetAttrString(self, "blksize") : nullptr);
  if (!size) return {};
  Ref block = Ref::steal(PyObject_CallMethod(filelike.get(), "read", "O", size.get()));
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

/// These hand out the descriptor of a file whose bytes are not what they read.
bool reads_something_else(PyObject* filelike) {
  const std::string module =
      text_attribute(reinterpret_cast<PyObject*>(Py_TYPE(filelike)), "__module__");
  return module == "gzip" || module == "bz2" || module == "lzma";
}

/// -1 when the method is missing, raises, or returns no fitting number.
long long number_from(PyObject* object, const char* method_name) {
  const Ref result = Ref::steal(PyObject_CallMethod(object, method_name, nullptr));
  long long number = -1;
  if (result && PyLong_Check(result.get())) number = PyLong_AsLongLong(result.get());
  PyErr_Clear();
  return number;
}

}  // namespace

Ref make_file_wrapper_type() { return Ref::steal(PyType_FromSpec(&kSpec)); }

std::optional<FileRange> file_range_of(PyObject* wrapper) {
  const Ref filelike = attribute_or_null(wrapper, "filelike");
  if (!filelike || reads_something_else(filelike.get())) return {};

  const long long descriptor = number_from(filelike.get(), "fileno");
  struct stat status = {};
  if (descriptor < 0 || descriptor > INT32_MAX ||
      ::fstat(static_cast<int>(descriptor), &status) != 0 || !S_ISREG(status.st_mode))
    return {};

  const long long position = number_from(filelike.get(), "tell");
  if (position < 0) return {};
  const auto offset = static_cast<std::uint64_t>(position);
  const auto size = static_cast<std::uint64_t>(status.st_size);
  return FileRange{static_cast<int>(descriptor), offset, size > offset ? size - offset : 0};
}

}  // namespace wsgix::python

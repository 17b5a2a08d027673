// SPDX-License-Identifier: Apache-2.0
#include "log_stream.hpp"

#include <unistd.h>

#include <new>
#include <string>
#include <utility>

#include "call.hpp"
#include "per_thread.hpp"
#include "text.hpp"
#include "wsgix/base/process_copy.hpp"

namespace wsgix::python {
namespace {

enum class Kind : unsigned char { Stdout, Stderr, Errors };

/// What is held back of a line whose end has not been written.
constexpr std::size_t kLongestPartialLine = 1024 * 1024;

struct LogObject {
  PyObject_HEAD Kind kind;
  bool closed;
  const wsgix_start* process;    // of stdout and stderr
  const wsgix_request* request;  // of wsgi.errors, while its request runs
  std::string partial;           // of wsgi.errors: a line without its end
  pid_t copy;                    // the forked copy that `partial` is of; 0: none
};

/// What a thread has written without a newline, and where its lines go.
struct ThreadLines {
  const LogTarget* request = nullptr;
  const wsgix_start* process = nullptr;
  std::string partial[2];  // by Kind
  pid_t copy = 0;          // the forked copy that they are of; 0: none

  ~ThreadLines() {
    if (!process) return;
    if (this_process_is_a_copy() && copy != ::getpid()) return;
    for (std::string& line : partial) LogTarget(*process).text(kLogError, std::exchange(line, {}));
  }
};

ThreadLines& thread_lines() { return per_thread<ThreadLines>(); }

LogObject& object_of(PyObject* self) noexcept { return *reinterpret_cast<LogObject*>(self); }

/// What was begun before the fork is finished by the process that was forked.
void forget_what_was_copied(LogObject& log) noexcept {
  const bool is_errors = log.kind == Kind::Errors;
  const pid_t here = ::getpid();
  if (std::exchange(is_errors ? log.copy : thread_lines().copy, here) == here) return;
  if (is_errors) return log.partial.clear();
  for (std::string& line : thread_lines().partial) line.clear();
}

std::string& partial_of(LogObject& log) noexcept {
  if (this_process_is_a_copy()) forget_what_was_copied(log);
  return log.kind == Kind::Errors ? log.partial
                                  : thread_lines().partial[static_cast<std::size_t>(log.kind)];
}

void write_record(const LogObject& log, std::string_view text) {
  if (log.kind == Kind::Errors)
    LogTarget(*log.request).text(kLogError, text);
  else if (thread_lines().request)
    thread_lines().request->text(kLogError, text);
  else
    LogTarget(*log.process).text(kLogError, text);
}

void write_out_partial(LogObject& log) {
  std::string line = std::exchange(partial_of(log), {});
  if (!line.empty() && (log.kind != Kind::Errors || log.request)) write_record(log, line);
}

void write_lines(LogObject& log, std::string_view bytes) {
  if (log.kind != Kind::Errors) thread_lines().process = log.process;
  std::string& partial = partial_of(log);
  const std::size_t last_newline = bytes.rfind('\n');
  if (last_newline != std::string_view::npos) {
    std::string whole = std::exchange(partial, {});
    whole += bytes.substr(0, last_newline + 1);
    write_record(log, whole);
    bytes.remove_prefix(last_newline + 1);
  }
  partial += bytes;
  // A program that never ends its lines must not fill the memory.
  if (partial.size() > kLongestPartialLine) write_record(log, std::exchange(partial, {}));
}

const char* name_of(Kind kind) noexcept {
  switch (kind) {
    case Kind::Stdout: return "<stdout>";
    case Kind::Stderr: return "<stderr>";
    case Kind::Errors: return "<wsgi.errors>";
  }
  return "";
}

bool is_usable(const LogObject& log, const char* method_name) {
  if (log.closed) {
    PyErr_SetString(PyExc_ValueError, "I/O operation on closed file");
    return false;
  }
  if (log.kind == Kind::Errors && !log.request) {
    PyErr_Format(PyExc_RuntimeError, "wsgi.errors.%s() was called after the request ended",
                 method_name);
    return false;
  }
  return true;
}

/// bytes, whatever bytes-like object it was; str for programs that write to .buffer by mistake.
Ref bytes_from(PyObject* data) {
  if (!PyUnicode_Check(data)) return Ref::steal(PyBytes_FromObject(data));
  if (PyErr_WarnEx(PyExc_DeprecationWarning, "mod_wsgi.Log.write() takes bytes, not str", 1) != 0)
    return {};
  return Ref::steal(PyUnicode_AsEncodedString(data, "utf-8", "replace"));
}

Ref write(PyObject* self, PyObject* data) {
  LogObject& log = object_of(self);
  if (!is_usable(log, "write")) return {};
  const Ref bytes = bytes_from(data);
  if (!bytes) return {};
  const Py_ssize_t size = PyBytes_Size(bytes.get());
  write_lines(log, {PyBytes_AsString(bytes.get()), static_cast<std::size_t>(size)});
  return Ref::steal(PyLong_FromSsize_t(size));
}

Ref writelines(PyObject* self, PyObject* lines) {
  if (!is_usable(object_of(self), "writelines")) return {};
  const Ref iterator = Ref::steal(PyObject_GetIter(lines));
  if (!iterator) return {};
  while (const Ref line = Ref::steal(PyIter_Next(iterator.get()))) {
    if (!write(self, line.get())) return {};
  }
  return PyErr_Occurred() ? Ref() : Ref::borrow(Py_None);
}

Ref flush(PyObject* self) {
  write_out_partial(object_of(self));
  return Ref::borrow(Py_None);
}

Ref close(PyObject* self) {
  LogObject& log = object_of(self);
  write_out_partial(log);
  // Libraries that close sys.stderr must not silence everybody else in the process.
  if (log.kind == Kind::Errors) log.closed = true;
  return Ref::borrow(Py_None);
}

/// For children of the application, faulthandler and loggers that ask: what is written there goes
/// to the error log without a request. 2 is the log in httpd, and in a worker a pipe to its
/// supervisor, which writes it there.
Ref fileno(PyObject* self) {
  LogObject& log = object_of(self);
  if (log.closed && !is_usable(log, "fileno")) return {};
  write_out_partial(log);  // what comes next must not come before it
  return Ref::steal(PyLong_FromLong(STDERR_FILENO));
}

Ref yes(PyObject*) { return Ref::borrow(Py_True); }
Ref no(PyObject*) { return Ref::borrow(Py_False); }
Ref closed(PyObject* self) { return Ref::borrow(object_of(self).closed ? Py_True : Py_False); }
Ref name(PyObject* self) { return Ref::steal(PyUnicode_FromString(name_of(object_of(self).kind))); }
Ref mode(PyObject*) { return Ref::steal(PyUnicode_FromString("wb")); }

void destroy(PyObject* self) noexcept {
  PyTypeObject* type = Py_TYPE(self);
  object_of(self).partial.~basic_string();
  PyObject_Free(self);
  Py_DECREF(type);
}

Ref new_log(PyObject* type, Kind kind, const wsgix_start* process) {
  Ref log = Ref::steal(PyType_GenericAlloc(reinterpret_cast<PyTypeObject*>(type), 0));
  if (!log) return {};
  LogObject& object = object_of(log.get());
  ::new (&object.partial) std::string();
  object.kind = kind;
  object.process = process;
  return log;
}

// clang-format off
PyMethodDef kMethods[] = {
    {"write", method<write>, METH_O, "write(bytes) -> int"},
    {"writelines", method<writelines>, METH_O, "writelines(iterable of bytes)"},
    {"flush", method_noargs<flush>, METH_NOARGS, "flush(): an incomplete line becomes a record"},
    {"close", method_noargs<close>, METH_NOARGS, "close()"},
    {"fileno", method_noargs<fileno>, METH_NOARGS, "fileno(): a descriptor of the error log"},
    {"isatty", method_noargs<no>, METH_NOARGS, "isatty() -> False"},
    {"readable", method_noargs<no>, METH_NOARGS, "readable() -> False"},
    {"seekable", method_noargs<no>, METH_NOARGS, "seekable() -> False"},
    {"writable", method_noargs<yes>, METH_NOARGS, "writable() -> True"},
    {},
};

PyGetSetDef kProperties[] = {
    {"closed", getter<closed>, nullptr, nullptr, nullptr},
    {"name", getter<name>, nullptr, nullptr, nullptr},
    {"mode", getter<mode>, nullptr, nullptr, nullptr},
    {},
};

PyType_Slot kSlots[] = {
    {Py_tp_doc, const_cast<char*>("A byte stream whose lines become log records.")},
    {Py_tp_new, slot(not_creatable)},
    {Py_tp_dealloc, slot(destroy)},
    {Py_tp_methods, kMethods},
    {Py_tp_getset, kProperties},
    {},
};

PyType_Spec kSpec = {"mod_wsgi.Log", sizeof(LogObject), 0, Py_TPFLAGS_DEFAULT, kSlots};
// clang-format on

}  // namespace

Ref make_log_type() { return Ref::steal(PyType_FromSpec(&kSpec)); }

Ref new_process_stream(PyObject* log_type, const char* name, const wsgix_start& process) {
  return new_log(log_type, std::string_view(name) == "<stdout>" ? Kind::Stdout : Kind::Stderr,
                 &process);
}

Ref new_errors_stream(PyObject* log_type) { return new_log(log_type, Kind::Errors, nullptr); }

Ref wrap_stream(PyObject* raw) {
  const Ref io = Ref::steal(PyImport_ImportModule("io"));
  const Ref wrapper = io ? attribute(io.get(), "TextIOWrapper") : Ref();
  const Ref args = Ref::steal(Py_BuildValue("(O)", raw));
  const Ref options = Ref::steal(
      Py_BuildValue("{s:s,s:s,s:s,s:O,s:O}", "encoding", "utf-8", "errors", "replace", "newline",
                    "\n", "line_buffering", Py_True, "write_through", Py_True));
  if (!wrapper || !args || !options) return {};
  return Ref::steal(PyObject_Call(wrapper.get(), args.get(), options.get()));
}

void write_out_lines_of_thread() {
  if (this_process_is_a_copy() && thread_lines().copy != ::getpid()) return;
  for (std::string& line : thread_lines().partial) {
    if (line.empty() || !thread_lines().process) continue;
    const LogTarget process(*thread_lines().process);
    (thread_lines().request ? *thread_lines().request : process)
        .text(kLogError, std::exchange(line, {}));
  }
}

void write_out_errors(PyObject* raw) { write_out_partial(object_of(raw)); }

void begin_errors(PyObject* raw, const wsgix_request& request) noexcept {
  object_of(raw).request = &request;
}

void end_errors(PyObject* raw) {
  write_out_partial(object_of(raw));
  object_of(raw).request = nullptr;
}

bool is_closed(PyObject* raw) noexcept { return object_of(raw).closed; }

StreamsFollowRequest::StreamsFollowRequest(const wsgix_request& request) : target_(request) {
  thread_lines().request = &target_;
}

StreamsFollowRequest::~StreamsFollowRequest() {
  for (std::string& line : thread_lines().partial) {
    if (!line.empty()) target_.text(kLogError, std::exchange(line, {}));
  }
  thread_lines().request = nullptr;
}

}  // namespace wsgix::python

// SPDX-License-Identifier: Apache-2.0
#include "environ.hpp"

#include <sys/time.h>

#include <atomic>

#include "text.hpp"

namespace wsgix::python {
namespace {

double now_seconds() {
  timeval now = {};
  ::gettimeofday(&now, nullptr);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_usec) / 1e6;
}

/// A small number for each thread, in the order of their first requests.
long thread_number() {
  static std::atomic<long> last = 0;
  thread_local const long mine = ++last;
  return mine;
}

bool is_file_name(std::string_view key) {
  return key == "DOCUMENT_ROOT" || key == "SCRIPT_FILENAME";
}

bool add_fields(PyObject* environ, KeyCache& keys, const wsgix_request& request) {
  for (std::size_t i = 0; i < request.environ_count; ++i) {
    const std::string_view name = view_of(request.environ[i].name);
    const std::string_view bytes = view_of(request.environ[i].value);
    const Ref key = keys.key(i, name);
    Ref value = is_file_name(name) ? filesystem_text(bytes) : latin1(bytes);
    if (!value && key) {  // a file system encoding without surrogateescape
      PyErr_Clear();
      value = latin1(bytes);
    }
    if (!key || !value || PyDict_SetItem(environ, key.get(), value.get()) != 0) return false;
  }
  return true;
}

}  // namespace

Ref make_environ(ThreadRecord& record, const wsgix_request& request,
                 const EnvironObjects& objects) {
  struct Entry {
    std::string_view key;
    Ref value;
  };
  // Positions of our own keys in the cache: after those of the request.
  std::size_t position = request.environ_count;
  Ref environ = Ref::steal(PyDict_New());
  if (!environ || !add_fields(environ.get(), record.keys, request)) return {};
  // After the fields, so that SetEnv cannot put a text in the place of an object.
  if (PyDict_Update(environ.get(), record.interpreter.environ_template()) != 0) return {};

  const Entry entries[] = {
      {"wsgi.url_scheme", latin1(request.https ? "https" : "http")},
      {"wsgi.input", Ref::borrow(objects.input)},
      {"wsgi.errors", Ref::borrow(objects.errors)},
      {"wsgix.client_disconnected", Ref::borrow(objects.client_disconnected)},
      {"mod_wsgi.callable_object", latin1(view_of(request.script.callable_name))},
      {"mod_wsgi.thread_id", Ref::steal(PyLong_FromLong(thread_number()))},
      {"mod_wsgi.request_start", Ref::steal(PyFloat_FromDouble(request.request_start))},
      {"mod_wsgi.queue_start", Ref::steal(PyFloat_FromDouble(request.queue_start))},
      {"mod_wsgi.daemon_start", Ref::steal(PyFloat_FromDouble(request.daemon_start))},
      {"mod_wsgi.application_start", Ref::steal(PyFloat_FromDouble(now_seconds()))},
  };
  for (const auto& [name, value] : entries) {
    const Ref key = record.keys.key(position++, name);
    if (!key || !value || PyDict_SetItem(environ.get(), key.get(), value.get()) != 0) return {};
  }
  if (request.request_rec) {
    const Ref key = record.keys.key(position++, "apache.request_rec");
    const Ref capsule = Ref::steal(PyCapsule_New(request.request_rec, nullptr, nullptr));
    if (!key || !capsule || PyDict_SetItem(environ.get(), key.get(), capsule.get()) != 0) return {};
  }
  if (objects.early_hints) {
    const Ref key = record.keys.key(position++, "wsgix.early_hints");
    if (!key || PyDict_SetItem(environ.get(), key.get(), objects.early_hints) != 0) return {};
  }
  return environ;
}

std::string_view value_of(const wsgix_request& request, std::string_view key) {
  for (std::size_t i = 0; i < request.environ_count; ++i)
    if (view_of(request.environ[i].name) == key) return view_of(request.environ[i].value);
  return {};
}

std::string_view method_of(const wsgix_request& request) {
  return value_of(request, "REQUEST_METHOD");
}

}  // namespace wsgix::python

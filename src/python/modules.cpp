// SPDX-License-Identifier: Apache-2.0
#include "modules.hpp"

#include <span>

#include "exception.hpp"
#include "text.hpp"

namespace wsgix::python {
namespace {

struct Entry {
  const char* name;
  Ref value;
};

Ref integer(std::int32_t number) { return Ref::steal(PyLong_FromLong(number)); }

bool add_module(const char* name, std::span<const Entry> entries, PyObject* path) {
  const Ref module = Ref::steal(PyModule_New(name));
  if (!module) return false;
  for (const auto& [key, value] : entries)
    if (!value || PyObject_SetAttrString(module.get(), key, value.get()) != 0) return false;
  if (path && PyObject_SetAttrString(module.get(), "__path__", path) != 0) return false;
  return PyDict_SetItemString(PyImport_GetModuleDict(), name, module.get()) == 0;
}

/// Folders of an installed package of that name, so that its submodules can be imported although
/// the name is ours; null: there is none, or nobody can tell. No exception is pending.
Ref folders_of_package(const char* name) {
  const Ref machinery = Ref::steal(PyImport_ImportModule("importlib.machinery"));
  const Ref finder = machinery ? attribute_or_null(machinery.get(), "PathFinder") : Ref();
  const Ref spec =
      Ref::steal(finder ? PyObject_CallMethod(finder.get(), "find_spec", "s", name) : nullptr);
  const Ref locations = spec ? attribute_or_null(spec.get(), "submodule_search_locations") : Ref();
  const bool is_package = locations && locations.get() != Py_None;
  Ref folders = Ref::steal(is_package ? PySequence_List(locations.get()) : nullptr);
  PyErr_Clear();
  return folders;
}

}  // namespace

Ref mod_wsgi_version() { return Ref::steal(Py_BuildValue("(iii)", 6, 0, 5)); }

Ref apache_version(const wsgix_start& start) {
  return Ref::steal(Py_BuildValue("(III)", start.httpd_version[0], start.httpd_version[1],
                                  start.httpd_version[2]));
}

bool add_mod_wsgi_module(const wsgix_start& start, std::string_view application_group,
                         const ModWsgiClasses& classes) {
  const Ref folders = folders_of_package("mod_wsgi");
  const Entry entries[] = {
      {"version", mod_wsgi_version()},
      {"wsgix_version", utf8(WSGIX_VERSION)},
      {"process_group", latin1(or_empty(start.process_group))},
      {"application_group", latin1(application_group)},
      {"maximum_processes", integer(start.processes)},
      {"threads_per_process", integer(start.threads)},
      {"FileWrapper", Ref::borrow(classes.file_wrapper)},
      {"RequestTimeout", Ref::borrow(classes.request_timeout)},
      {"ClientDisconnected", Ref::borrow(classes.client_disconnected)},
  };
  return add_module("mod_wsgi", entries, folders.get());
}

bool add_apache_module(const wsgix_start& start, const LogTarget& log) {
  // Only httpd children may have a module of that name of their own; it then wins.
  if (or_empty(start.process_group).empty()) {
    const Ref external = Ref::steal(PyImport_ImportModule("apache"));
    if (external) return true;
    const Exception cause = Exception::take();
    if (!cause.is(PyExc_ImportError)) cause.log_traceback(log);
  }
  const Entry entries[] = {
      {"version", apache_version(start)},
      {"maximum_processes", integer(start.httpd_maximum_processes)},
      {"threads_per_process", integer(start.httpd_threads_per_process)},
      {"description", utf8(or_empty(start.httpd_description))},
      {"mpm_name", utf8(or_empty(start.mpm_name))},
      {"build_date", utf8(or_empty(start.httpd_build_date))},
  };
  return add_module("apache", entries, nullptr);
}

}  // namespace wsgix::python

// SPDX-License-Identifier: Apache-2.0
#include "search_path.hpp"

#include <fmt/format.h>

#include <string>

#include "log_target.hpp"
#include "obstacle.hpp"
#include "ref.hpp"
#include "text.hpp"

namespace wsgix::python {
namespace {

bool add_site_directory(PyObject* site, std::string_view directory) {
  const Ref path = filesystem_text(directory);
  const Ref done =
      Ref::steal(path ? PyObject_CallMethod(site, "addsitedir", "O", path.get()) : nullptr);
  return static_cast<bool>(done);
}

/// What is in `all` and not in `known`, in order.
Ref entries_not_in(PyObject* all, PyObject* known) {
  Ref added = Ref::steal(PyList_New(0));
  for (Py_ssize_t i = 0; added && i < PyList_Size(all); ++i) {
    PyObject* entry = PyList_GetItem(all, i);
    const int is_known = PySequence_Contains(known, entry);
    if (is_known < 0) return {};
    if (is_known == 0 && PyList_Append(added.get(), entry) != 0) return {};
  }
  return added;
}

}  // namespace

bool extend_search_path(const wsgix_start& start) {
  PyObject* path = PySys_GetObject("path");
  if (!path || !PyList_Check(path)) {
    PyErr_SetString(PyExc_RuntimeError, "sys.path is not a list");
    return false;
  }
  if (start.python_path_count > 0) {
    const Ref site = Ref::steal(PyImport_ImportModule("site"));
    const Ref before = Ref::steal(PySequence_List(path));
    if (!site || !before) return false;
    for (std::size_t i = 0; i < start.python_path_count; ++i)
      if (!add_site_directory(site.get(), view_of(start.python_path[i]))) return false;
    const Ref added = entries_not_in(path, before.get());
    const Ref ordered = Ref::steal(added ? PySequence_Concat(added.get(), before.get()) : nullptr);
    if (!ordered || PyList_SetSlice(path, 0, PyList_Size(path), ordered.get()) != 0) return false;
  }
  if (!start.home) return true;
  const Ref home = filesystem_text(start.home);
  return home && PyList_Insert(path, 0, home.get()) == 0;
}

void warn_about_search_path(const wsgix_start& start) {
  for (std::size_t i = 0; i < start.python_path_count; ++i) {
    const std::string path(view_of(start.python_path[i]));
    const std::string obstacle = obstacle_to_reading(path);
    if (obstacle.empty()) continue;
    LogTarget(start).warning(
        {ErrorCode::PythonPathEntryUnusable,
         fmt::format("python-path entry {} cannot be used: {}", path, obstacle)});
  }
}

}  // namespace wsgix::python

// SPDX-License-Identifier: Apache-2.0
// python/exception.hpp: a Python exception taken off the thread, to be looked at and reported.
#pragma once

#include <string>
#include <string_view>

#include "log_target.hpp"
#include "ref.hpp"

namespace wsgix::python {

/// The place of a frame in the words of a traceback.
struct SourceLocation {
  std::string file;
  long line = 0;
  std::string function;
};

class Exception {
 public:
  /// Takes the pending exception, normalised and with its traceback attached.
  static Exception take();

  bool is(PyObject* type) const { return PyErr_GivenExceptionMatches(type_.get(), type) != 0; }
  PyObject* value() const noexcept { return value_.get(); }
  std::string type_name() const;  ///< "module.Class", without "builtins."
  std::string message() const;    ///< str(value)
  std::string summary() const;    ///< "ValueError: text" or "ValueError"

  /// The innermost frame that lies in that file; line 0: there is none.
  SourceLocation innermost_in(std::string_view file) const;
  /// The innermost frame of all; line 0: there is none.
  SourceLocation innermost() const;
  /// The first frame from the outside for which `is_wanted` holds; line 0: there is none.
  template <typename Predicate>
  SourceLocation first_where(Predicate is_wanted) const;

  /// The traceback as Python prints it, chained exceptions included, one record per line.
  void log_traceback(const LogTarget& log) const;
  /// Its frames and the exception, without the source: for a process that the application forked.
  /// Python's own traceback imports modules, and there the lock of one that another thread was
  /// about to import is never released.
  void log_frames(const LogTarget& log) const;
  /// Makes it pending again.
  void restore() &&;

 private:
  template <typename Visit>
  void walk(Visit visit) const;

  Ref type_;
  Ref value_;
  Ref traceback_;
};

SourceLocation location_of(PyObject* traceback);
SourceLocation location_of_frame(PyObject* frame);
Ref next_traceback(PyObject* traceback);

template <typename Visit>
void Exception::walk(Visit visit) const {
  Ref at = traceback_.copy();
  while (at && at.get() != Py_None) {
    if (!visit(location_of(at.get()))) return;
    at = next_traceback(at.get());
  }
}

template <typename Predicate>
SourceLocation Exception::first_where(Predicate is_wanted) const {
  SourceLocation found;
  walk([&](SourceLocation location) {
    if (!is_wanted(location)) return true;
    found = std::move(location);
    return false;
  });
  return found;
}

}  // namespace wsgix::python

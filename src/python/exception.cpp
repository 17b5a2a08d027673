// SPDX-License-Identifier: Apache-2.0
#include "exception.hpp"

#include <fmt/format.h>

#include "text.hpp"

namespace wsgix::python {

Exception Exception::take() {
  PyObject *type = nullptr, *value = nullptr, *traceback = nullptr;
  fetch_exception(&type, &value, &traceback);
  Exception taken;
  taken.type_ = Ref::steal(type);
  taken.value_ = Ref::steal(value);
  taken.traceback_ = Ref::steal(traceback);
  if (taken.value_ && taken.traceback_) {
    PyException_SetTraceback(taken.value_.get(), taken.traceback_.get());
    PyErr_Clear();
  }
  return taken;
}

std::string Exception::type_name() const {
  if (!type_) return "no exception";
  const std::string module = text_attribute(type_.get(), "__module__");
  const std::string name = text_attribute(type_.get(), "__qualname__");
  return module.empty() || module == "builtins" ? name : module + "." + name;
}

std::string Exception::message() const { return value_ ? str_of(value_.get()) : std::string(); }

std::string Exception::summary() const {
  const std::string text = message();
  return text.empty() ? type_name() : type_name() + ": " + text;
}

SourceLocation Exception::innermost_in(std::string_view file) const {
  SourceLocation found;
  walk([&](SourceLocation location) {
    if (location.file == file) found = std::move(location);
    return true;
  });
  return found;
}

SourceLocation Exception::innermost() const {
  SourceLocation found;
  walk([&](SourceLocation location) {
    found = std::move(location);
    return true;
  });
  return found;
}

void Exception::log_traceback(const LogTarget& log) const {
  const Ref module = Ref::steal(PyImport_ImportModule("traceback"));
  const Ref lines =
      Ref::steal(module ? PyObject_CallMethod(module.get(), "format_exception", "OOO", type_.get(),
                                              value_ ? value_.get() : Py_None,
                                              traceback_ ? traceback_.get() : Py_None)
                        : nullptr);
  const Ref empty = Ref::steal(lines ? PyUnicode_FromString("") : nullptr);
  const Ref joined = Ref::steal(empty ? PyUnicode_Join(empty.get(), lines.get()) : nullptr);
  if (!joined) {
    PyErr_Clear();
    log.text(kLogError, summary() + " (its traceback cannot be formatted)");
    return;
  }
  log.text(kLogError, to_utf8(joined.get()));
}

void Exception::log_frames(const LogTarget& log) const {
  std::string lines = "Traceback (most recent call last):\n";
  walk([&](const SourceLocation& location) {
    lines += fmt::format("  File \"{}\", line {}, in {}\n", location.file, location.line,
                         location.function);
    return true;
  });
  log.text(kLogError, lines + summary());
}

void Exception::restore() && {
  restore_exception(type_.release(), value_.release(), traceback_.release());
}

SourceLocation location_of(PyObject* traceback) {
  const Ref frame = attribute_or_null(traceback, "tb_frame");
  SourceLocation location = frame ? location_of_frame(frame.get()) : SourceLocation();
  // The frame may have gone on since.
  location.line = integer_attribute(traceback, "tb_lineno", 0);
  return location;
}

SourceLocation location_of_frame(PyObject* frame) {
  SourceLocation location;
  location.line = integer_attribute(frame, "f_lineno", 0);
  if (const Ref code = attribute_or_null(frame, "f_code")) {
    location.file = text_attribute(code.get(), "co_filename");
    location.function = text_attribute(code.get(), "co_name");
  }
  return location;
}

Ref next_traceback(PyObject* traceback) { return attribute_or_null(traceback, "tb_next"); }

}  // namespace wsgix::python

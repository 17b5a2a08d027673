// SPDX-License-Identifier: Apache-2.0
#include "exception.hpp"

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

Place Exception::innermost_in(std::string_view file) const {
  Place found;
  walk([&](Place place) {
    if (place.file == file) found = std::move(place);
    return true;
  });
  return found;
}

Place Exception::innermost() const {
  Place found;
  walk([&](Place place) {
    found = std::move(place);
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

void Exception::restore() && {
  restore_exception(type_.release(), value_.release(), traceback_.release());
}

Place place_of(PyObject* traceback) {
  const Ref frame = attribute_or_null(traceback, "tb_frame");
  Place place = frame ? place_of_frame(frame.get()) : Place();
  // The frame may have gone on since.
  place.line = integer_attribute(traceback, "tb_lineno", 0);
  return place;
}

Place place_of_frame(PyObject* frame) {
  Place place;
  place.line = integer_attribute(frame, "f_lineno", 0);
  if (const Ref code = attribute_or_null(frame, "f_code")) {
    place.file = text_attribute(code.get(), "co_filename");
    place.function = text_attribute(code.get(), "co_name");
  }
  return place;
}

Ref next_traceback(PyObject* traceback) { return attribute_or_null(traceback, "tb_next"); }

}  // namespace wsgix::python

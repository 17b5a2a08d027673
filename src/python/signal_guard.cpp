// SPDX-License-Identifier: Apache-2.0
#include "signal_guard.hpp"

#include <fmt/format.h>

#include "call.hpp"
#include "log_target.hpp"
#include "own_code.hpp"
#include "text.hpp"
#include "wsgix/base/process_copy.hpp"

namespace wsgix::python {
namespace {

// A Python function, so that it looks to the application like the one whose place it takes.
constexpr const char* kSource = R"(
import functools
import signal as module
import sys

def install(is_copy, report):
    original = module.signal

    @functools.wraps(original)
    def signal(signalnum, handler):
        if is_copy():
            return original(signalnum, handler)
        caller = sys._getframe().f_back
        report(signalnum, caller and caller.f_code.co_filename, caller and caller.f_lineno)
        return handler

    module.signal = signal
)";

Ref is_copy(PyObject*) { return Ref::borrow(this_process_is_a_copy() ? Py_True : Py_False); }

/// `self` holds the process. Never fails for what it is given: the application's call shall not.
Ref report(PyObject* self, PyObject* arguments) {
  PyObject* number = nullptr;
  PyObject* file = nullptr;
  PyObject* line = nullptr;
  if (!PyArg_ParseTuple(arguments, "OOO", &number, &file, &line)) return {};
  const auto* process = static_cast<const wsgix_start*>(PyCapsule_GetPointer(self, nullptr));
  if (process == nullptr) return {};
  const Error error{ErrorCode::SignalHandlerIgnored,
                    fmt::format("signal.signal({}) at {}:{} does nothing: the signals of this "
                                "process belong to httpd",
                                str_of(number), str_of(file), str_of(line))};
  LogTarget(*process).text(kLogInfo, to_log_line(error));
  return Ref::borrow(Py_None);
}

PyMethodDef kIsCopy = {"is_copy", method_noargs<is_copy>, METH_NOARGS, nullptr};
PyMethodDef kReport = {"report", method<report>, METH_VARARGS, nullptr};

}  // namespace

bool install_signal_guard(const wsgix_start& process) {
  const Ref names = run_own_code(kSource, "<wsgix signal guard>");
  PyObject* const install = names ? PyDict_GetItemString(names.get(), "install") : nullptr;
  const Ref self = Ref::steal(PyCapsule_New(const_cast<wsgix_start*>(&process), nullptr, nullptr));
  const Ref question = Ref::steal(PyCFunction_New(&kIsCopy, nullptr));
  const Ref reporter = Ref::steal(self ? PyCFunction_New(&kReport, self.get()) : nullptr);
  if (!install || !question || !reporter) return false;
  return static_cast<bool>(
      Ref::steal(PyObject_CallFunctionObjArgs(install, question.get(), reporter.get(), nullptr)));
}

}  // namespace wsgix::python

// SPDX-License-Identifier: Apache-2.0
#include "stack_signal.hpp"

#include <fmt/format.h>

#include "exception.hpp"
#include "ref.hpp"

namespace wsgix::python {

void register_stack_signal(int signal_number, int descriptor, const LogTarget& log) {
  const Ref module = Ref::steal(PyImport_ImportModule("faulthandler"));
  const Ref function =
      Ref::steal(module ? PyObject_GetAttrString(module.get(), "register") : nullptr);
  const Ref arguments = Ref::steal(Py_BuildValue("(i)", signal_number));
  const Ref options = Ref::steal(Py_BuildValue("{s:i,s:O,s:O}", "file", descriptor, "all_threads",
                                               Py_True, "chain", Py_False));
  const Ref done = Ref::steal(function && arguments && options
                                  ? PyObject_Call(function.get(), arguments.get(), options.get())
                                  : nullptr);
  if (done) return;
  log.text(kLogInfo, fmt::format("Python cannot write its stacks while it makes no progress: {}",
                                 Exception::take().summary()));
}

}  // namespace wsgix::python

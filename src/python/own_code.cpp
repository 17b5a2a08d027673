// SPDX-License-Identifier: Apache-2.0
#include "own_code.hpp"

namespace wsgix::python {

Ref run_own_code(const char* source, const char* name) {
  const Ref code = Ref::steal(Py_CompileString(source, name, Py_file_input));
  Ref names = Ref::steal(PyDict_New());
  if (!code || !names) return {};
  if (PyDict_SetItemString(names.get(), "__builtins__", PyEval_GetBuiltins()) != 0) return {};
  const Ref done = Ref::steal(PyEval_EvalCode(code.get(), names.get(), names.get()));
  return done ? std::move(names) : Ref();
}

}  // namespace wsgix::python

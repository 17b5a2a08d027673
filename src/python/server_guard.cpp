// SPDX-License-Identifier: Apache-2.0
#include "server_guard.hpp"

#include "call.hpp"
#include "own_code.hpp"

namespace wsgix::python {
namespace {

thread_local int scripts_being_loaded = 0;

// A bound method needs a Python function: a builtin one would not get `self`.
constexpr const char* kSource = R"(
import functools
import socketserver

def install(is_loading):
    original = socketserver.BaseServer.serve_forever

    @functools.wraps(original)
    def serve_forever(self, *args, **kwargs):
        if is_loading():
            self.server_close()
            raise RuntimeError('a WSGI script must not start a server while it is imported')
        return original(self, *args, **kwargs)

    socketserver.BaseServer.serve_forever = serve_forever
)";

Ref is_loading(PyObject*) { return Ref::borrow(scripts_being_loaded > 0 ? Py_True : Py_False); }

PyMethodDef kIsLoading = {"is_loading", method_noargs<is_loading>, METH_NOARGS, nullptr};

}  // namespace

bool install_server_guard() {
  const Ref names = run_own_code(kSource, "<wsgix server guard>");
  PyObject* install = names ? PyDict_GetItemString(names.get(), "install") : nullptr;
  const Ref question = Ref::steal(PyCFunction_New(&kIsLoading, nullptr));
  if (!install || !question) return false;
  const Ref installed = Ref::steal(PyObject_CallFunctionObjArgs(install, question.get(), nullptr));
  return static_cast<bool>(installed);
}

LoadingScript::LoadingScript() noexcept { ++scripts_being_loaded; }
LoadingScript::~LoadingScript() { --scripts_being_loaded; }

}  // namespace wsgix::python

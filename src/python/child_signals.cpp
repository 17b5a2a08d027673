// SPDX-License-Identifier: Apache-2.0
#include "child_signals.hpp"

#include <csignal>
#include <cstddef>
#include <string_view>

#include "call.hpp"
#include "text.hpp"
#include "wsgix/base/signal_block.hpp"

namespace wsgix::python {
namespace {

/// `self` is the function in whose place this one is. vfork(2), which these use, runs no handlers
/// of a fork: the new process has the mask that its parent's thread has now. A signal for the
/// process is still delivered to httpd's main thread: the kernel prefers it, and asks others only
/// when that one blocks it.
PyObject* start_process(PyObject* self, PyObject* args, PyObject* keywords) noexcept {
  const SignalBlock nothing(SignalBlock::Of::None);
  return PyObject_Call(self, args, keywords);
}

Ref after_fork_in_child(PyObject*) {
  sigset_t none;
  ::sigemptyset(&none);
  ::pthread_sigmask(SIG_SETMASK, &none, nullptr);
  return Ref::borrow(Py_None);
}

PyCFunction with_keywords(PyCFunctionWithKeywords function) noexcept {
  return reinterpret_cast<PyCFunction>(reinterpret_cast<void (*)()>(function));
}

// clang-format off
PyMethodDef kStarters[] = {
    {"fork_exec", with_keywords(start_process), METH_VARARGS | METH_KEYWORDS, nullptr},
    {"posix_spawn", with_keywords(start_process), METH_VARARGS | METH_KEYWORDS, nullptr},
    {"posix_spawnp", with_keywords(start_process), METH_VARARGS | METH_KEYWORDS, nullptr},
    {"system", with_keywords(start_process), METH_VARARGS | METH_KEYWORDS, nullptr},
};
// clang-format on

/// Who has which of them under which name; subprocess has its own only if it is imported already.
constexpr struct {
  const char* module;
  const char* name;
  std::size_t starter;
} kStartingCalls[] = {
    {"_posixsubprocess", "fork_exec", 0},
    {"subprocess", "_fork_exec", 0},
    {"posix", "posix_spawn", 1},
    {"os", "posix_spawn", 1},
    {"posix", "posix_spawnp", 2},
    {"os", "posix_spawnp", 2},
    {"posix", "system", 3},
    {"os", "system", 3},
};

PyMethodDef kAfterFork = {"after_fork_in_child", method_noargs<after_fork_in_child>, METH_NOARGS,
                          nullptr};

bool replace(const char* module_name, const char* name, PyMethodDef& starter) {
  const bool must_be_there = std::string_view(module_name) != "subprocess";
  const Ref module = must_be_there
                         ? Ref::steal(PyImport_ImportModule(module_name))
                         : Ref::borrow(PyDict_GetItemString(PyImport_GetModuleDict(), module_name));
  if (!module) return !PyErr_Occurred();
  const Ref original = attribute_or_null(module.get(), name);
  if (!original) return true;  // this Python has none
  const Ref ours = Ref::steal(PyCFunction_New(&starter, original.get()));
  return ours && PyObject_SetAttrString(module.get(), name, ours.get()) == 0;
}

bool register_after_fork() {
  const Ref os = Ref::steal(PyImport_ImportModule("os"));
  const Ref function =
      Ref::steal(os ? PyObject_GetAttrString(os.get(), "register_at_fork") : nullptr);
  const Ref ours = Ref::steal(PyCFunction_New(&kAfterFork, nullptr));
  const Ref nothing = Ref::steal(PyTuple_New(0));
  const Ref options =
      Ref::steal(ours ? Py_BuildValue("{s:O}", "after_in_child", ours.get()) : nullptr);
  if (!function || !nothing || !options) return false;
  return static_cast<bool>(Ref::steal(PyObject_Call(function.get(), nothing.get(), options.get())));
}

}  // namespace

bool let_children_get_signals() {
  for (const auto& [module, name, starter] : kStartingCalls) {
    if (!replace(module, name, kStarters[starter])) return false;
  }
  return register_after_fork();
}

}  // namespace wsgix::python

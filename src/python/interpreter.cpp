// SPDX-License-Identifier: Apache-2.0
#include "interpreter.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <initializer_list>
#include <utility>

#include "call.hpp"
#include "child_signals.hpp"
#include "exception.hpp"
#include "file_wrapper.hpp"
#include "forked_copy.hpp"
#include "input.hpp"
#include "lingering_threads.hpp"
#include "log_stream.hpp"
#include "modules.hpp"
#include "restricted.hpp"
#include "search_path.hpp"
#include "server_guard.hpp"
#include "signal_guard.hpp"
#include "start_response.hpp"
#include "text.hpp"
#include "thread_record.hpp"
#include "thread_state.hpp"

namespace wsgix::python {
namespace {

bool set_argv() {
  const Ref argv = Ref::steal(Py_BuildValue("[s]", "mod_wsgi"));
  return argv && PySys_SetObject("argv", argv.get()) == 0;
}

bool replace_stream(const char* name, const Ref& stream) {
  return stream && PySys_SetObject(name, stream.get()) == 0;
}

Ref do_nothing(PyObject*) { return Ref::borrow(Py_None); }
PyMethodDef kDoNothing = {"_shutdown", method_noargs<do_nothing>, METH_NOARGS, nullptr};

/// CPython's own end of an interpreter joins the threads again, and 3.12 is not prepared for a
/// second time in a sub-interpreter.
void forget_threading_shutdown() {
  const Ref threading = Ref::steal(PyImport_ImportModule("threading"));
  const Ref nothing = Ref::steal(PyCFunction_New(&kDoNothing, nullptr));
  if (threading && nothing) PyObject_SetAttrString(threading.get(), "_shutdown", nothing.get());
  PyErr_Clear();
}

void call_and_log_failure(const char* module_name, const char* function, const LogTarget& log) {
  const Ref module = Ref::steal(PyImport_ImportModule(module_name));
  const Ref done =
      Ref::steal(module ? PyObject_CallMethod(module.get(), function, nullptr) : nullptr);
  end_if_copy(ErrorCode::CopyCameBack, "an exit function", log);
  if (!done) Exception::take().log_traceback(log);
}

}  // namespace

Result<void> Interpreter::set_up() {
  state_ = PyInterpreterState_Get();
  const bool ready = make_types() && set_argv() && replace_streams() &&
                     extend_search_path(process_) && make_mod_wsgi_module() &&
                     make_apache_module() && install_server_guard() && make_environ_template() &&
                     (is_in_worker() || let_children_get_signals()) && set_switch_interval() &&
                     (!process_.restrict_signals || install_signal_guard(process_));
  if (!ready) {
    const Exception cause = Exception::take();
    cause.log_traceback(log());
    return failed(ErrorCode::PythonDidNotStart,
                  fmt::format("{}: {}", description(), cause.summary()));
  }
  if (name_.empty()) warn_about_search_path(process_);
  return {};
}

/// All interpreters that share the GIL share its interval.
bool Interpreter::set_switch_interval() {
  if (!name_.empty() || process_.switch_interval <= 0) return true;
  PyObject* const set = PySys_GetObject("setswitchinterval");
  return set && Ref::steal(PyObject_CallFunction(set, "d", process_.switch_interval));
}

bool Interpreter::make_types() {
  types_ = {make_input_type(),        make_log_type(),        make_adapter_type(),
            make_file_wrapper_type(), make_restricted_type(), find_raw_file_types()};
  // Not below Exception: the handlers of frameworks must not take them for an error to answer.
  request_timeout_ =
      Ref::steal(PyErr_NewException("mod_wsgi.RequestTimeout", PyExc_BaseException, nullptr));
  client_disconnected_ =
      Ref::steal(PyErr_NewException("mod_wsgi.ClientDisconnected", PyExc_BaseException, nullptr));
  return types_.input && types_.log && types_.adapter && types_.file_wrapper && types_.restricted &&
         types_.raw_files && request_timeout_ && client_disconnected_ &&
         learn_to_count_references();
}

bool Interpreter::learn_to_count_references() {
  count_references_ = Ref::borrow(PySys_GetObject("getrefcount"));
  const Ref unshared = Ref::steal(PyList_New(0));
  if (!count_references_ || !unshared) return false;
  // Versions differ in how many references the question itself adds.
  references_of_unshared_ = further_references(unshared.get());
  return true;
}

long Interpreter::further_references(PyObject* object) const {
  const Ref count =
      Ref::steal(PyObject_CallFunctionObjArgs(count_references_.get(), object, nullptr));
  const long references = count ? PyLong_AsLong(count.get()) : -1;
  PyErr_Clear();
  return references - references_of_unshared_;
}

PyObject* Interpreter::interruption(wsgix_interruption why) const noexcept {
  switch (why) {
    case WSGIX_DEADLINE_PASSED: return request_timeout_.get();
    case WSGIX_CLIENT_LEFT: return client_disconnected_.get();
  }
  return nullptr;
}

bool Interpreter::replace_streams() {
  const auto log_stream = [&](const char* name) {
    const Ref raw = new_process_stream(types_.log.get(), name, process_);
    return raw ? wrap_stream(raw.get()) : Ref();
  };
  if (!replace_stream("stderr", log_stream("<stderr>"))) return false;
  if (process_.single_process) return true;
  if (process_.restrict_stdin &&
      !replace_stream("stdin", new_restricted(types_.restricted.get(), "sys.stdin")))
    return false;
  return replace_stream("stdout", process_.restrict_stdout
                                      ? new_restricted(types_.restricted.get(), "sys.stdout")
                                      : log_stream("<stdout>"));
}

bool Interpreter::make_mod_wsgi_module() {
  const ModWsgiClasses classes = {types_.file_wrapper.get(), request_timeout_.get(),
                                  client_disconnected_.get()};
  return add_mod_wsgi_module(process_, name_, classes);
}

bool Interpreter::make_apache_module() { return add_apache_module(process_, log()); }

bool Interpreter::make_environ_template() {
  struct Entry {
    const char* key;
    Ref value;
  };
  const auto flag = [](bool value) { return Ref::borrow(value ? Py_True : Py_False); };
  const Entry entries[] = {
      {"wsgi.version", Ref::steal(Py_BuildValue("(ii)", 1, 0))},
      {"wsgi.multithread", flag(process_.multithread)},
      {"wsgi.multiprocess", flag(process_.multiprocess)},
      {"wsgi.run_once", flag(process_.run_once)},
      {"wsgi.input_terminated", flag(true)},
      {"wsgi.file_wrapper", types_.file_wrapper.copy()},
      {"mod_wsgi.version", mod_wsgi_version()},
      {"mod_wsgi.process_group", latin1(or_empty(process_.process_group))},
      {"mod_wsgi.application_group", latin1(name_)},
      {"apache.version", apache_version(process_)},
  };
  environ_template_ = Ref::steal(PyDict_New());
  if (!environ_template_) return false;
  for (const auto& [key, value] : entries) {
    const Ref interned = Ref::steal(PyUnicode_InternFromString(key));
    if (!value || !interned ||
        PyDict_SetItem(environ_template_.get(), interned.get(), value.get()) != 0)
      return false;
  }
  return true;
}

void Interpreter::run_exit_functions() {
  // In another thread than the one that threading takes for its main thread, _shutdown() waits
  // for the end of that one's state.
  if (kept_state_ && keeping_thread_ != std::this_thread::get_id()) end_kept_state();
  warn_about_lingering_threads(*this);
  call_and_log_failure("threading", "_shutdown", log());
  forget_threading_shutdown();
  call_and_log_failure("atexit", "_run_exitfuncs", log());
  for (const char* name : {"stdout", "stderr"}) {
    PyObject* stream = PySys_GetObject(name);
    const Ref flushed =
        Ref::steal(stream ? PyObject_CallMethod(stream, "flush", nullptr) : nullptr);
    PyErr_Clear();
  }
  // Python's own end flushes sys.stdout, and would report that a restricted one refuses it.
  PyObject* output = PySys_GetObject("stdout");
  if (output && Py_TYPE(output) == reinterpret_cast<PyTypeObject*>(types_.restricted.get()))
    PySys_SetObject("stdout", Py_None);
}

void Interpreter::end_kept_state() {
  PyThreadState* state = std::exchange(kept_state_, nullptr);
  if (!state) return;
  PyThreadState_Clear(state);
  delete_thread_state(state);
}

void Interpreter::forget_python() {
  types_ = {};
  request_timeout_.reset();
  client_disconnected_.reset();
  environ_template_.reset();
  count_references_.reset();
}

bool Interpreter::is_in_worker() const { return !or_empty(process_.process_group).empty(); }

std::string Interpreter::description() const {
  const std::string_view group = or_empty(process_.process_group);
  return fmt::format("{}{}", name_.empty() ? "main interpreter" : "sub interpreter '" + name_ + "'",
                     group.empty() ? std::string(" in embedded mode")
                                   : fmt::format(" of daemon process '{}'", group));
}

Script& Interpreter::script(std::string_view path) {
  const std::lock_guard lock(mutex_);
  auto found = scripts_.find(path);
  if (found == scripts_.end())
    found = scripts_.emplace(std::string(path), std::make_unique<Script>(path)).first;
  return *found->second;
}

void Interpreter::add(ThreadRecord& record) {
  const std::lock_guard lock(mutex_);
  records_.push_back(&record);
}

void Interpreter::remove(ThreadRecord& record) {
  const std::lock_guard lock(mutex_);
  std::erase(records_, &record);
}

std::vector<ThreadRecord*> Interpreter::records() {
  const std::lock_guard lock(mutex_);
  return records_;
}

}  // namespace wsgix::python

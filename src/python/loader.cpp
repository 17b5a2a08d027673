// SPDX-License-Identifier: Apache-2.0
#include "loader.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "exception.hpp"
#include "gil.hpp"
#include "load_diagnosis.hpp"
#include "script_source.hpp"
#include "server_guard.hpp"
#include "text.hpp"

namespace wsgix::python {
namespace {

/// One attempt to load: the threads that wait learn how it ended, whatever happens.
class Attempt {
 public:
  explicit Attempt(Script& script) noexcept : script_(script) {}
  ~Attempt() { script_.finish(std::move(failure)); }
  Attempt(const Attempt&) = delete;
  Attempt& operator=(const Attempt&) = delete;

  std::optional<Error> failure;

 private:
  Script& script_;
};

/// A global of a module, or an attribute of what the script put in its place; null: not there.
Ref value_in(PyObject* module, const char* name) {
  // Not through getattr(): what is missing in a module would cost an exception on every request.
  if (PyModule_Check(module))
    return Ref::borrow(PyDict_GetItemString(PyModule_GetDict(module), name));
  return attribute_or_null(module, name);
}

/// A module may offer its callable through __getattr__() as well.
Ref callable_in(PyObject* module, const std::string& name) {
  Ref value = value_in(module, name.c_str());
  if (!value) value = attribute_or_null(module, name.c_str());
  return value && PyCallable_Check(value.get()) ? std::move(value) : Ref();
}

/// _md5 is part of every Python; hashlib may refuse MD5 on hardened systems.
std::string md5_hex(std::string_view text) {
  Ref module = Ref::steal(PyImport_ImportModule("_md5"));
  if (!module) {
    PyErr_Clear();
    module = Ref::steal(PyImport_ImportModule("hashlib"));
  }
  const Ref bytes =
      Ref::steal(PyBytes_FromStringAndSize(text.data(), static_cast<Py_ssize_t>(text.size())));
  const Ref digest = Ref::steal(
      module && bytes ? PyObject_CallMethod(module.get(), "md5", "O", bytes.get()) : nullptr);
  const Ref hex =
      Ref::steal(digest ? PyObject_CallMethod(digest.get(), "hexdigest", nullptr) : nullptr);
  PyErr_Clear();
  return hex ? to_utf8(hex.get()) : std::string();
}

const std::string& module_name_of(Script& script, const wsgix_start& process) {
  if (script.module_name.empty()) {
    std::string path = script.path();
    if (!process.case_sensitive) {
      std::transform(path.begin(), path.end(), path.begin(), [](char c) {
        return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
      });
    }
    script.module_name = "_mod_wsgi_" + md5_hex(path);
  }
  return script.module_name;
}

Ref loaded_module(const std::string& name) {
  return Ref::borrow(PyDict_GetItemString(PyImport_GetModuleDict(), name.c_str()));
}

void forget_module(const std::string& name) {
  if (PyDict_DelItemString(PyImport_GetModuleDict(), name.c_str()) != 0) PyErr_Clear();
}

bool hook_wants_reload(PyObject* module, const Script& script, const LogTarget& log) {
  const Ref hook = value_in(module, "reload_required");
  if (!hook) return false;
  const Ref path = filesystem_text(script.path());
  const Ref answer =
      Ref::steal(path ? PyObject_CallFunctionObjArgs(hook.get(), path.get(), nullptr) : nullptr);
  const int wanted = answer ? PyObject_IsTrue(answer.get()) : -1;
  if (wanted >= 0) return wanted == 1;
  const Exception cause = Exception::take();
  log.error({ErrorCode::ScriptReloadHookFailed,
             fmt::format("reload_required() of {} raised {}; the script is not reloaded",
                         script.path(), cause.summary())});
  cause.log_traceback(log);
  return false;
}

bool is_reload_due(PyObject* module, const Script& script, const wsgix_script& wanted,
                   const LogTarget& log) {
  if (!wanted.reloading) return false;
  const Ref mtime = value_in(module, "__mtime__");
  const long long loaded = mtime && PyLong_Check(mtime.get()) ? PyLong_AsLongLong(mtime.get()) : -1;
  if (loaded == -1) {
    PyErr_Clear();
    return true;
  }
  // A caller that looked before the last change may have seen an older time than was loaded.
  if (wanted.modified_us != loaded && modification_time_us(script.path()) != loaded) return true;
  return hook_wants_reload(module, script, log);
}

Error log_and_pass(Error error, const LogTarget& log) {
  log.error(error);
  return error;
}

/// The pending exception of a load, logged with its traceback.
Error report(const Script& script, const Interpreter& interpreter, const LogTarget& log) {
  const Exception cause = Exception::take();
  Error error = diagnose_load(cause, script.path(), interpreter.process());
  log.error(error);
  cause.log_traceback(log);
  return error;
}

Result<ScriptSource> read_without_gil(const std::string& path) {
  const GilRelease no_gil;
  return read_script(path);
}

/// Executes the script into a new module. Null: an exception is pending.
Ref execute(const ScriptSource& source, const Script& script) {
  const Ref code =
      Ref::steal(Py_CompileString(source.bytes.c_str(), script.path().c_str(), Py_file_input));
  const Ref name = utf8(script.module_name);
  const Ref path = filesystem_text(script.path());
  const Ref mtime = Ref::steal(PyLong_FromLongLong(source.modified_us));
  if (!code || !name || !path || !mtime) return {};

  // A new module object: requests that still run keep the globals of the old one.
  forget_module(script.module_name);
  PyObject* module = PyImport_AddModuleObject(name.get());
  if (!module || PyObject_SetAttrString(module, "__mtime__", mtime.get()) != 0) return {};
  return Ref::steal(PyImport_ExecCodeModuleObject(name.get(), code.get(), path.get(), nullptr));
}

std::optional<Error> load(Interpreter& interpreter, const Script& script,
                          const wsgix_script& wanted, const LogTarget& log) {
  const Result<ScriptSource> source = read_without_gil(script.path());
  if (!source) {
    forget_module(script.module_name);
    return log_and_pass(source.error(), log);
  }
  const std::size_t nul = source->bytes.find('\0');
  if (nul != std::string::npos) {
    forget_module(script.module_name);
    const auto line = std::count(source->bytes.begin(),
                                 source->bytes.begin() + static_cast<std::ptrdiff_t>(nul), '\n');
    return log_and_pass(
        {ErrorCode::ScriptHasNul,
         fmt::format("script {}, line {}: there is a NUL byte", script.path(), line + 1)},
        log);
  }
  const LoadingScript here;
  const Ref module = execute(*source, script);
  if (!module) {
    Error error = report(script, interpreter, log);
    forget_module(script.module_name);
    return error;
  }
  const std::string name(view(wanted.callable_name));
  if (callable_in(module.get(), name)) return {};
  // Not kept, so that the next request executes the repaired script.
  forget_module(script.module_name);
  return log_and_pass(lacks_callable(module.get(), name, script.path()), log);
}

/// Nothing: the module is there or must be loaded. Otherwise how the request goes on.
std::optional<Application> try_loaded(Interpreter& interpreter, const Script& script,
                                      const wsgix_script& wanted, const LogTarget& log) {
  const Ref module = loaded_module(script.module_name);
  if (!module) return {};
  if (is_reload_due(module.get(), script, wanted, log)) {
    if (interpreter.process().reload_in_place) return {};
    return Application{{}, true, {}};
  }
  const std::string name(view(wanted.callable_name));
  if (Ref callable = callable_in(module.get(), name))
    return Application{std::move(callable), false, {}};
  return Application{
      {}, false, log_and_pass(lacks_callable(module.get(), name, script.path()), log)};
}

}  // namespace

Application load_application(Interpreter& interpreter, const wsgix_script& wanted,
                             const LogTarget& log) {
  Script& script = interpreter.script(view(wanted.path));
  module_name_of(script, interpreter.process());
  while (true) {
    if (!script.is_being_loaded()) {
      if (auto ready = try_loaded(interpreter, script, wanted, log)) return std::move(*ready);
    }
    std::optional<Error> failure;
    bool loads = false;
    {
      const GilRelease no_gil;
      loads = script.begin_or_wait(failure);
    }
    if (!loads) {
      if (!failure) continue;
      log.error(*failure);
      return {{}, false, std::move(failure)};
    }
    Attempt attempt(script);
    // Another thread may have loaded it after this one looked.
    if (auto ready = try_loaded(interpreter, script, wanted, log)) return std::move(*ready);
    attempt.failure = load(interpreter, script, wanted, log);
    if (attempt.failure) return {{}, false, attempt.failure};
  }
}

}  // namespace wsgix::python

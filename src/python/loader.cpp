// SPDX-License-Identifier: Apache-2.0
#include "loader.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <atomic>
#include <utility>

#include "environ.hpp"
#include "exception.hpp"
#include "forked_copy.hpp"
#include "gil.hpp"
#include "interruption.hpp"
#include "load_diagnosis.hpp"
#include "running_requests.hpp"
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

/// The process of the request is told that it loads the script or waits for another thread that
/// does.
class LoadingPhase {
 public:
  explicit LoadingPhase(RunningRequest* request) : request_(request) {
    if (request_) request_->loading(true);
  }
  ~LoadingPhase() {
    if (request_) request_->loading(false);
  }
  LoadingPhase(const LoadingPhase&) = delete;
  LoadingPhase& operator=(const LoadingPhase&) = delete;

 private:
  RunningRequest* request_;
};

/// Whom a load is for, and where it reports.
struct Context {
  Interpreter& interpreter;
  const wsgix_script& wanted;
  const LogTarget& log;
  RunningRequest* request;     // null: nobody's yet
  const wsgix_request* asked;  // likewise

  bool was_interrupted() const { return request && request->was_interrupted(); }
};

/// A global of a module, or an attribute of what the script put in its location; null: not there.
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

/// False with an exception pending: the request was interrupted meanwhile.
bool hook_wants_reload(PyObject* module, const Script& script, const Context& context) {
  const Ref hook = value_in(module, "reload_required");
  if (!hook) return false;
  // With WSGIHandlerScript it is about the file that the URL names.
  const std::string_view resource =
      context.asked ? value_of(*context.asked, "SCRIPT_FILENAME") : std::string_view();
  const Ref path = filesystem_text(resource.empty() ? script.path() : resource);
  const Ref answer =
      Ref::steal(path ? PyObject_CallFunctionObjArgs(hook.get(), path.get(), nullptr) : nullptr);
  end_if_copy(ErrorCode::CopyCameBack, "reload_required() of " + script.path(), context.log);
  const int wanted = answer ? PyObject_IsTrue(answer.get()) : -1;
  if (wanted >= 0) return wanted == 1;
  Exception cause = Exception::take();
  if (context.was_interrupted() && interruption_of(cause, context.interpreter)) {
    std::move(cause).restore();
    return false;
  }
  const Shielded shielded(context.request);
  context.log.error({ErrorCode::ScriptReloadHookFailed,
                     fmt::format("reload_required() of {} raised {}; the script is not reloaded",
                                 script.path(), cause.summary())});
  cause.log_traceback(context.log);
  return false;
}

bool is_reload_due(PyObject* module, const Script& script, const Context& context) {
  if (!context.wanted.reloading) return false;
  const Ref mtime = value_in(module, "__mtime__");
  const long long loaded = mtime && PyLong_Check(mtime.get()) ? PyLong_AsLongLong(mtime.get()) : -1;
  if (loaded == -1) {
    PyErr_Clear();
    return true;
  }
  // A caller that looked before the last change may have seen an older time than was loaded.
  if (context.wanted.modified_us != loaded && modification_time_us(script.path()) != loaded)
    return true;
  return hook_wants_reload(module, script, context);
}

/// Each request that needs a broken script executes it anew, because the cause may be elsewhere.
/// What does not change is written down once; the lines after that only count. So it is for the
/// processes of a group: the first one that fails writes it down.
Error log_and_pass(Script& script, Error error, const Exception* cause, const LogTarget& log,
                   const wsgix_start& process) {
  constexpr const char* kRemedy = "see the first line with this number for this script";
  if (const std::uint64_t repeated = script.count_failure(error)) {
    log.error({error.code,
               fmt::format("script {} fails as before; requests refused since: {}", script.path(),
                           repeated),
               0, kRemedy});
    return error;
  }
  const std::uint64_t elsewhere =
      process.count_failure ? process.count_failure(process.failures_context, script.digest(error))
                            : 0;
  if (elsewhere != 0) {
    log.error({error.code,
               fmt::format("script {} fails as before, in this process too; processes that it "
                           "failed in: {}",
                           script.path(), elsewhere + 1),
               0, kRemedy});
    return error;
  }
  log.error(error);
  if (cause) cause->log_traceback(log);
  return error;
}

/// The request ends before its application was called.
Error interrupted(const Script& script, const Context& context) {
  return {code_of(context.request->interruption()),
          fmt::format("the request was interrupted before script {} was ready", script.path())};
}

/// The pending exception of a load, logged with its traceback.
Error report(Script& script, const Context& context) {
  const Shielded shielded(context.request);
  const Exception cause = Exception::take();
  if (context.was_interrupted()) {
    // Whatever the script made of the exception: it was not given the time to load.
    const bool is_changed = !interruption_of(cause, context.interpreter);
    log_interruption(cause, script.path(), context.log);
    if (is_changed) cause.log_traceback(context.log);
    return interrupted(script, context);
  }
  const wsgix_start& process = context.interpreter.process();
  return log_and_pass(script, diagnose_load(cause, script.path(), process), &cause, context.log,
                      process);
}

Result<ScriptSource> read_without_gil(const std::string& path) {
  const GilRelease no_gil;
  Result<ScriptSource> source = read_script(path);
  const std::size_t nul = source ? source->bytes.find('\0') : std::string::npos;
  if (nul == std::string::npos) return source;
  const auto line = std::count(source->bytes.begin(),
                               source->bytes.begin() + static_cast<std::ptrdiff_t>(nul), '\n');
  return failed(ErrorCode::ScriptHasNul,
                fmt::format("script {}, line {}: there is a NUL byte", path, line + 1));
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

std::optional<Error> load(Script& script, const Context& context) {
  const Result<ScriptSource> source = read_without_gil(script.path());
  if (!source) {
    forget_module(script.module_name);
    return log_and_pass(script, source.error(), nullptr, context.log,
                        context.interpreter.process());
  }
  script.found_version(source->modified_us);
  const LoadingScript here;
  const Ref module = execute(*source, script);
  end_if_copy(ErrorCode::CopyCameBack, "the import of script " + script.path(), context.log);
  if (!module) {
    Error error = report(script, context);
    forget_module(script.module_name);
    return error;
  }
  const std::string name(view_of(context.wanted.callable_name));
  if (name.empty() || callable_in(module.get(), name)) return {};
  // Not kept, so that the next request executes the repaired script.
  forget_module(script.module_name);
  return log_and_pass(script, lacks_callable(module.get(), name, script.path()), nullptr,
                      context.log, context.interpreter.process());
}

/// Nothing: the module is there or must be loaded. Otherwise how the request goes on.
std::optional<Application> try_loaded(Script& script, const Context& context) {
  const Ref module = loaded_module(script.module_name);
  if (!module) return {};
  if (is_reload_due(module.get(), script, context)) {
    if (context.interpreter.process().reload_in_place) return {};
    return Application{{}, true, {}};
  }
  if (PyErr_Occurred()) {
    const Shielded shielded(context.request);
    log_interruption(Exception::take(), script.path(), context.log);
    return Application{{}, false, interrupted(script, context)};
  }
  const std::string name(view_of(context.wanted.callable_name));
  if (name.empty()) return Application{{}, false, {}};
  if (Ref callable = callable_in(module.get(), name))
    return Application{std::move(callable), false, {}};
  return Application{{},
                     false,
                     log_and_pass(script, lacks_callable(module.get(), name, script.path()),
                                  nullptr, context.log, context.interpreter.process())};
}

Script::LoadTurn begin_or_wait(Script& script, const Context& context,
                               std::optional<Error>& failure) {
  const GilRelease no_gil;
  if (context.request) return context.request->begin_or_wait(script, failure);
  const std::atomic<std::int32_t> never = 0;
  return script.begin_or_wait(failure, never);
}

/// This thread's turn to load. Those who wait for it learn how it ended, unless it ended only
/// because this request was interrupted: then one of them takes the turn.
Application load_in_turn(Script& script, const Context& context) {
  Attempt attempt(script);
  // Another thread may have loaded it after this one looked.
  if (auto ready = try_loaded(script, context)) return std::move(*ready);
  std::optional<Error> failure = load(script, context);
  if (!context.was_interrupted()) attempt.failure = failure;
  if (failure) return {{}, false, std::move(failure)};
  return {};
}

/// A service may start a server: only what says why it did not even begin is looked for.
Error diagnose_service(const Exception& cause, const Script& script,
                       const Interpreter& interpreter) {
  if (cause.is(PyExc_SyntaxError) || cause.is(PyExc_ModuleNotFoundError))
    return diagnose_load(cause, script.path(), interpreter.process());
  const SourceLocation location = cause.innermost_in(script.path());
  return {ErrorCode::ScriptRaised, fmt::format("service script {}, line {}: {}", script.path(),
                                               location.line, cause.summary())};
}

}  // namespace

std::optional<Error> execute_service(Interpreter& interpreter, const wsgix_script& wanted,
                                     const LogTarget& log) {
  Script& script = interpreter.script(view_of(wanted.path));
  module_name_of(script, interpreter.process());
  const Result<ScriptSource> source = read_without_gil(script.path());
  if (!source) return log_and_pass(script, source.error(), nullptr, log, interpreter.process());
  const Ref module = execute(*source, script);
  end_if_copy_of_service("service script " + script.path(), log);
  if (module) return {};
  const Exception cause = Exception::take();
  if (cause.is(PyExc_SystemExit)) return {};
  Error error = diagnose_service(cause, script, interpreter);
  log.error(error);
  cause.log_traceback(log);
  forget_module(script.module_name);
  return error;
}

Application load_application(Interpreter& interpreter, const wsgix_script& wanted,
                             const LogTarget& log, RunningRequest* request,
                             const wsgix_request* asked) {
  const Context context{interpreter, wanted, log, request, asked};
  Script& script = interpreter.script(view_of(wanted.path));
  module_name_of(script, interpreter.process());
  std::optional<LoadingPhase> phase;
  while (true) {
    if (!script.is_being_loaded()) {
      if (auto ready = try_loaded(script, context)) return std::move(*ready);
    }
    if (!phase) phase.emplace(request);
    std::optional<Error> failure;
    switch (begin_or_wait(script, context, failure)) {
      case Script::LoadTurn::Load: {
        Application loaded = load_in_turn(script, context);
        if (loaded.callable || loaded.is_stale || loaded.failure) return loaded;
        break;
      }
      case Script::LoadTurn::Loaded:
        if (!failure) break;
        return {{},
                false,
                log_and_pass(script, std::move(*failure), nullptr, log, interpreter.process())};
      case Script::LoadTurn::Interrupted:
        request->shield();  // what was to be raised has done its work
        return {{}, false, interrupted(script, context)};
    }
  }
}

}  // namespace wsgix::python

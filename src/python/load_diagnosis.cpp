// SPDX-License-Identifier: Apache-2.0
#include "load_diagnosis.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <optional>
#include <string_view>
#include <vector>

#include "module_finder.hpp"
#include "python2.hpp"
#include "text.hpp"

namespace wsgix::python {
namespace {

std::string at_line(const std::string& file, long line) {
  return line > 0 ? fmt::format("{}, line {}", file, line) : file;
}

/// "app.wsgi, line 3": the script's own line that led there.
std::string location_in_script(const Exception& cause, const std::string& script) {
  return at_line(script, cause.innermost_in(script).line);
}

std::string_view trimmed(std::string_view text) {
  const auto first = text.find_first_not_of(" \t\r\n");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t\r\n") - first + 1);
}

Error diagnose_syntax(const Exception& cause, const std::string& script) {
  const std::string file = text_attribute(cause.value(), "filename");
  const std::string text = text_attribute(cause.value(), "text");
  const std::string message = text_attribute(cause.value(), "msg");
  const long line = integer_attribute(cause.value(), "lineno", 0);

  std::string what =
      file.empty() || file == script
          ? at_line(script, line)
          : fmt::format("{} imports {}", location_in_script(cause, script), at_line(file, line));
  what += ": " + (message.empty() ? cause.summary() : message);
  const std::string_view source_line = trimmed(text);
  if (!source_line.empty()) what += fmt::format(": {}", source_line);

  const std::string advice = advice_for_python2_syntax(source_line, message);
  if (!advice.empty()) return {ErrorCode::ScriptUsesPython2, what + " (Python 2 code)", 0, advice};
  return {ErrorCode::ScriptSyntaxError, what};
}

bool starts_server(const SourceLocation& location) {
  // The library's file as well, where the name alone says too little.
  constexpr std::array<std::string_view, 2> kFunctions = {"serve_forever", "run_simple"};
  constexpr std::array<std::pair<std::string_view, std::string_view>, 4> kInFile = {
      std::pair{"run", "flask/app.py"}, std::pair{"run", "bottle.py"},
      std::pair{"make_server", "wsgiref/simple_server.py"},
      std::pair{"make_server", "werkzeug/serving.py"}};
  return std::find(kFunctions.begin(), kFunctions.end(), location.function) != kFunctions.end() ||
         std::any_of(kInFile.begin(), kInFile.end(), [&](const auto& known) {
           return location.function == known.first && location.file.ends_with(known.second);
         });
}

Error diagnose_missing_module(const Exception& cause, const std::string& script,
                              const wsgix_start& process) {
  const std::string name = text_attribute(cause.value(), "name");
  const std::string advice = advice_for_python2_module(name);
  const std::string location = location_in_script(cause, script);
  if (!advice.empty()) {
    return {ErrorCode::ScriptUsesPython2,
            fmt::format("{}: {} (a module of Python 2)", location, cause.message()), 0, advice};
  }
  const std::string_view version = Py_GetVersion();
  PyObject* prefix = PySys_GetObject("prefix");
  const std::string prefix_text = prefix ? str_of(prefix) : "unknown";
  return {ErrorCode::ScriptModuleNotFound,
          fmt::format("{}: {}; this is Python {} with prefix {}", location, cause.message(),
                      version.substr(0, version.find(' ')), prefix_text),
          0, advice_for_missing_module(name, script, prefix_text, or_empty(process.process_group))};
}

/// A NameError's name: its attribute is newer than 3.9, so it is cut out of the text.
std::string undefined_name(const Exception& cause) {
  const std::string text = cause.message();
  const auto open = text.find('\'');
  const auto close = text.find('\'', open == std::string::npos ? open : open + 1);
  return close == std::string::npos ? std::string() : text.substr(open + 1, close - open - 1);
}

std::optional<Error> diagnose_python2_name(const Exception& cause, const std::string& script) {
  const std::string name = undefined_name(cause);
  const std::string advice = advice_for_python2_name(name);
  if (advice.empty()) return {};
  return Error{
      ErrorCode::ScriptUsesPython2,
      fmt::format("{}: {}() exists in Python 2 only", location_in_script(cause, script), name), 0,
      advice};
}

/// Objects that a script may have meant as its application: no classes, nothing private.
std::vector<std::string> callables_in(PyObject* module) {
  std::vector<std::string> names;
  const Ref items =
      Ref::steal(PyModule_Check(module) ? PyDict_Items(PyModule_GetDict(module)) : nullptr);
  PyErr_Clear();
  for (Py_ssize_t i = 0; items && i < PyList_Size(items.get()); ++i) {
    PyObject* item = PyList_GetItem(items.get(), i);
    PyObject* value = PyTuple_GetItem(item, 1);
    const std::string name = str_of(PyTuple_GetItem(item, 0));
    if (name.starts_with('_') || PyType_Check(value) || !PyCallable_Check(value)) continue;
    names.push_back(name);
  }
  std::sort(names.begin(), names.end());
  return names;
}

}  // namespace

Error diagnose_load(const Exception& cause, const std::string& script, const wsgix_start& process) {
  if (cause.is(PyExc_SyntaxError)) return diagnose_syntax(cause, script);

  const std::string location = location_in_script(cause, script);
  if (const SourceLocation server = cause.first_where(starts_server); server.line > 0) {
    return {ErrorCode::ScriptStartedServer,
            fmt::format("{}: the script starts a server of its own while it is imported ({}() in "
                        "{})",
                        location, server.function, server.file)};
  }
  if (cause.is(PyExc_SystemExit)) {
    return {ErrorCode::ScriptExited,
            fmt::format("{}: the script ended itself with SystemExit({}) while it was imported",
                        location, cause.message())};
  }
  if (cause.is(PyExc_ModuleNotFoundError)) return diagnose_missing_module(cause, script, process);
  if (cause.is(PyExc_NameError)) {
    if (auto error = diagnose_python2_name(cause, script)) return std::move(*error);
  }
  return {ErrorCode::ScriptRaised, fmt::format("{}: {}", location, cause.summary())};
}

Error lacks_callable(PyObject* module, const std::string& wanted, const std::string& script) {
  constexpr std::size_t kMostNames = 8;
  const std::vector<std::string> names = callables_in(module);
  const Ref value = attribute_or_null(module, wanted.c_str());
  std::string what = value ? fmt::format("script {}: '{}' is of type {}, which cannot be called",
                                         script, wanted, type_name(value.get()))
                           : fmt::format("script {} has no callable '{}'", script, wanted);
  if (names.empty()) {
    what += "; the script has no function or object that could be the application";
    return {ErrorCode::ScriptLacksCallable, what};
  }

  std::string list;
  for (std::size_t i = 0; i < std::min(names.size(), kMostNames); ++i)
    list += (i ? ", " : "") + names[i];
  if (names.size() > kMostNames) list += ", ...";
  return {ErrorCode::ScriptLacksCallable, what + "; callables found: " + list, 0,
          fmt::format("name the WSGI callable '{}' in the script, or add 'WSGICallableObject {}' "
                      "to the configuration",
                      wanted, names.front())};
}

}  // namespace wsgix::python

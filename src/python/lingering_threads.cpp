// SPDX-License-Identifier: Apache-2.0
#include "lingering_threads.hpp"

#include <fmt/format.h>

#include <chrono>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "exception.hpp"
#include "gil.hpp"
#include "stacks.hpp"
#include "text.hpp"

namespace wsgix::python {
namespace {

constexpr auto kPatience = std::chrono::seconds(1);
constexpr auto kInterval = std::chrono::milliseconds(10);
constexpr std::size_t kMostFrames = 60;

struct LingeringThread {
  std::string name;
  unsigned long number = 0;
};

bool is_true(PyObject* object, const char* attribute) {
  const Ref value = attribute_or_null(object, attribute);
  return value && PyObject_IsTrue(value.get()) == 1;
}

/// What threading._shutdown() will join.
std::vector<LingeringThread> lingering_threads(PyObject* threading) {
  const Ref main = Ref::steal(PyObject_CallMethod(threading, "main_thread", nullptr));
  const Ref all = Ref::steal(PyObject_CallMethod(threading, "enumerate", nullptr));
  PyErr_Clear();
  std::vector<LingeringThread> threads;
  for (Py_ssize_t i = 0; main && all && i < PyList_Size(all.get()); ++i) {
    PyObject* thread = PyList_GetItem(all.get(), i);
    if (thread == main.get() || is_true(thread, "daemon")) continue;
    const Ref number = attribute_or_null(thread, "ident");
    const bool has_begun = number && PyLong_Check(number.get());
    const unsigned long ident = has_begun ? PyLong_AsUnsignedLong(number.get()) : 0;
    PyErr_Clear();
    if (ident == PyThread_get_thread_ident()) continue;
    threads.push_back({text_attribute(thread, "name"), ident});
  }
  PyErr_Clear();
  return threads;
}

/// "/usr/lib/python3.11/"
std::string standard_library(PyObject* threading) {
  const std::string file = text_attribute(threading, "__file__");
  return file.substr(0, file.rfind('/') + 1);
}

bool is_below(const std::string& library, std::string_view file) {
  return !library.empty() && file.starts_with(library) &&
         file.find("-packages/", library.size()) == std::string_view::npos;
}

/// The application's innermost frame; waiting itself is done by the standard library.
std::string location_in_words(const std::vector<SourceLocation>& stack,
                              const std::string& library) {
  if (stack.empty()) return "in no Python code";
  const SourceLocation* shown = &stack.front();
  for (const SourceLocation& location : stack) {
    if (is_below(library, location.file)) continue;
    shown = &location;
    break;
  }
  return fmt::format("in {}, line {}, in {}", shown->file, shown->line, shown->function);
}

}  // namespace

void warn_about_lingering_threads(const Interpreter& interpreter) {
  const Ref threading = Ref::borrow(PyDict_GetItemString(PyImport_GetModuleDict(), "threading"));
  if (!threading) return;
  const auto deadline = std::chrono::steady_clock::now() + kPatience;
  std::vector<LingeringThread> threads = lingering_threads(threading.get());
  while (!threads.empty() && std::chrono::steady_clock::now() < deadline) {
    {
      const GilRelease no_gil;
      std::this_thread::sleep_for(kInterval);
    }
    threads = lingering_threads(threading.get());
  }
  if (threads.empty()) return;

  const Ref frames = current_frames();
  const std::string library = standard_library(threading.get());
  std::string list;
  for (const auto& [name, number] : threads) {
    const std::vector<SourceLocation> stack = stack_of(frames.get(), number, kMostFrames);
    list += fmt::format("{}'{}' is {}", list.empty() ? "" : "; ", name,
                        location_in_words(stack, library));
  }
  interpreter.log().warning(
      {ErrorCode::ThreadHoldsUpExit,
       fmt::format("{}: threads that are no daemon threads hold up the exit: {}; they are joined "
                   "until shutdown-timeout",
                   interpreter.description(), list)});
}

}  // namespace wsgix::python

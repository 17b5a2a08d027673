// SPDX-License-Identifier: Apache-2.0
#include "stacks.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "gil.hpp"
#include "log_target.hpp"
#include "text.hpp"

namespace wsgix::python {
namespace {

// Enough for a framework and its middleware; endless recursion must not fill the log.
constexpr std::size_t kMostFrames = 60;

using Entry = RunningRequests::Entry;

std::string heading_of(const Entry& entry) {
  const std::string& group = entry.interpreter->name();
  return fmt::format("thread {} of {} (request {})", entry.thread,
                     group.empty() ? std::string("the main interpreter")
                                   : fmt::format("application group '{}'", group),
                     entry.id);
}

void add_stack(std::vector<std::string>& lines, const Entry& entry, PyObject* frames) {
  lines.push_back(heading_of(entry));
  const std::vector<SourceLocation> stack = stack_of(frames, entry.thread, kMostFrames);
  if (stack.empty()) {
    lines.emplace_back(entry.waits_for_load ? "  waits for the thread that loads its script"
                                            : "  runs no Python code at this moment");
  }
  const std::size_t shown = std::min(stack.size(), kMostFrames);
  if (shown < stack.size()) lines.push_back(fmt::format("  only the last {} frames:", shown));
  for (std::size_t i = shown; i > 0; --i) {
    const SourceLocation& location = stack[i - 1];
    lines.push_back(fmt::format("  File \"{}\", line {}, in {}", location.file, location.line,
                                location.function));
  }
}

std::vector<Interpreter*> interpreters_of(const std::vector<Entry>& entries) {
  std::vector<Interpreter*> interpreters;
  for (const Entry& entry : entries) {
    if (std::find(interpreters.begin(), interpreters.end(), entry.interpreter) ==
        interpreters.end())
      interpreters.push_back(entry.interpreter);
  }
  return interpreters;
}

}  // namespace

Ref current_frames() {
  PyObject* function = PySys_GetObject("_current_frames");
  Ref frames = Ref::steal(function ? PyObject_CallNoArgs(function) : nullptr);
  PyErr_Clear();
  return frames;
}

std::vector<SourceLocation> stack_of(PyObject* frames, unsigned long thread, std::size_t most) {
  std::vector<SourceLocation> stack;
  const Ref number = Ref::steal(PyLong_FromUnsignedLong(thread));
  Ref frame =
      Ref::borrow(number && frames ? PyDict_GetItemWithError(frames, number.get()) : nullptr);
  PyErr_Clear();
  while (frame && frame.get() != Py_None && stack.size() <= most) {
    stack.push_back(location_of_frame(frame.get()));
    frame = attribute_or_null(frame.get(), "f_back");
  }
  return stack;
}

std::vector<std::string> stacks_of_requests(Process& process, std::uint64_t id) {
  std::vector<std::string> lines;
  for (Interpreter* interpreter : interpreters_of(process.requests().find(id))) {
    const Result<ThreadRecord*> record = process.attach(interpreter->name());
    if (!record) continue;
    const GilGuard gil((*record)->state);
    const Ref frames = current_frames();
    // Asked again: now none of them can end.
    for (const Entry& entry : process.requests().find(id))
      if (entry.interpreter == interpreter) add_stack(lines, entry, frames.get());
  }
  return lines;
}

}  // namespace wsgix::python

// SPDX-License-Identifier: Apache-2.0
#include "forked_copy.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include "log_stream.hpp"
#include "text.hpp"

namespace wsgix::python {
namespace {

constexpr int kRaised = 1;

/// Both levels reach the log by default; a traceback is an error of the application.
[[noreturn]] void end_copy(ErrorCode code, std::string_view what, const LogTarget& log) {
  const bool has_raised = PyErr_Occurred() != nullptr;
  const Exception cause = Exception::take();
  const bool is_exit = has_raised && cause.is(PyExc_SystemExit);
  const int status = has_raised ? exit_status_of(cause) : 0;
  write_out_lines_of_thread();
  const std::string how = has_raised ? "raised " + cause.summary() : std::string("came back");
  const Error error{code, fmt::format("{}: process {}, which the application forked, {}; it ends "
                                      "with status {} and answers nobody",
                                      what, ::getpid(), how, status & 0xff)};
  if (has_raised && !is_exit) {
    log.error(error);
    cause.log_frames(log);
  } else {
    log.warning(error);
  }
  ::_exit(status);
}

}  // namespace

int exit_status_of(const Exception& cause) {
  if (!cause.is(PyExc_SystemExit)) return kRaised;
  const Ref code = cause.value() ? attribute_or_null(cause.value(), "code") : Ref();
  if (!code || code.get() == Py_None) return 0;
  if (!PyLong_Check(code.get())) return kRaised;
  const long status = PyLong_AsLong(code.get());
  PyErr_Clear();  // out of range: -1, as CPython has it
  return static_cast<int>(status);
}

void end_if_copy(ErrorCode code, std::string_view what, const LogTarget& log) {
  if (this_process_is_a_copy()) end_copy(code, what, log);
}

void end_if_copy_of_service(std::string_view what, const LogTarget& log) {
  if (!this_process_is_a_copy()) return;
  const bool is_end = !PyErr_Occurred() || PyErr_ExceptionMatches(PyExc_SystemExit);
  if (!is_end) end_copy(ErrorCode::CopyCameBack, what, log);
  const int status = PyErr_Occurred() ? exit_status_of(Exception::take()) : 0;
  write_out_lines_of_thread();
  ::_exit(status);
}

void end_if_copy() noexcept {
  if (this_process_is_a_copy()) ::_exit(kRaised);
}

}  // namespace wsgix::python

// SPDX-License-Identifier: Apache-2.0
// python/entry.cpp: the table behind runtime/abi.h. Its functions are doors: no exception leaves.
#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <exception>
#include <memory>
#include <new>

#include "exchange.hpp"
#include "forked_copy.hpp"
#include "gil.hpp"
#include "interruption.hpp"
#include "loader.hpp"
#include "process.hpp"
#include "running_requests.hpp"
#include "service.hpp"
#include "stacks.hpp"
#include "startup.hpp"
#include "text.hpp"

namespace wsgix::python {
namespace {

// The one global of the library; see src/python/README.md. Set by start(), never destroyed:
// threads that end after stop() still ask it whether Python runs.
Process* the_process = nullptr;

void copy_text(char* to, std::size_t size, std::string_view text) {
  std::snprintf(to, size, "%.*s", static_cast<int>(std::min(text.size(), size - 1)), text.data());
}

int fill(wsgix_failure* why, const Error& error) {
  why->code = static_cast<std::uint32_t>(error.code);
  copy_text(why->what, sizeof why->what, error.what);
  copy_text(why->remedy, sizeof why->remedy, error.remedy);
  return 1;
}

/// Runs `body`; a C++ exception is our own bug and becomes WX9001. No copy of this process that the
/// application forked leaves it.
template <typename Body, typename OnBug>
void guarded_slot(Body body, OnBug on_bug) noexcept {
  const char* what = "exception of unknown type";
  try {
    body();
    return end_if_copy();
  } catch (const std::exception& bug) {
    end_if_copy();
    what = bug.what();
    try {
      on_bug(Error{ErrorCode::UnexpectedException, fmt::format("unexpected exception: {}", what)});
      return;
    } catch (...) {
      std::fprintf(stderr, "WX9001: unexpected exception while memory is exhausted\n");
    }
  } catch (...) {
    on_bug(Error{ErrorCode::UnexpectedException, what});
  }
}

Result<void> start_process(const wsgix_start& start) {
  if (the_process) return failed(ErrorCode::PythonDidNotStart, "Python was started twice");
  declare_original_process();
  if (auto initialized = initialize_python(start); !initialized) return initialized;
  auto process = std::make_unique<Process>(start);
  auto adopted = process->adopt_main_interpreter();
  the_process = process.release();
  return adopted;
}

int start(const wsgix_start* with, wsgix_failure* why) noexcept {
  int result = 1;
  guarded_slot(
      [&] {
        const Result<void> started = start_process(*with);
        if (!started) {
          fill(why, started.error());
          return;
        }
        result = 0;
        if (with->stacks_signal != 0)
          the_process->offer_stacks(with->stacks_signal, with->stacks_fd);
      },
      [&](const Error& bug) { fill(why, bug); });
  return result;
}

const char* python_version() noexcept { return the_process->python_version().c_str(); }

int load_script(const wsgix_script* script, wsgix_failure* why) noexcept {
  int result = 1;
  guarded_slot(
      [&] {
        const Result<ThreadRecord*> record = the_process->attach(*script);
        if (!record) {
          LogTarget(the_process->start()).error(record.error());
          fill(why, record.error());
          return;
        }
        const GilGuard gil((*record)->state);
        const Application application = load_application((*record)->interpreter, *script,
                                                         LogTarget(the_process->start()), nullptr);
        result = application.failure ? fill(why, *application.failure) : 0;
      },
      [&](const Error& bug) {
        LogTarget(the_process->start()).error(bug);
        fill(why, bug);
      });
  return result;
}

void handle_request(const wsgix_request* request, wsgix_outcome* outcome) noexcept {
  *outcome = {WSGIX_FAILED, 500, 0};
  const auto fail = [&](const Error& error) {
    outcome->code = static_cast<std::uint32_t>(error.code);
    outcome->status = status_of(error.code);
    LogTarget(*request).error(error);
  };
  guarded_slot(
      [&] {
        const Result<ThreadRecord*> record = the_process->attach(request->script);
        if (!record) return fail(record.error());
        const GilGuard gil((*record)->state);
        RunningRequest running(the_process->requests(), request->id, (*record)->interpreter,
                               *request, request->calls->loading);
        Exchange exchange(**record, *request, running);
        guarded_slot([&] { *outcome = exchange.run(); },
                     [&](const Error& bug) {
                       fail(bug);
                       if (exchange.head_was_sent()) outcome->kind = WSGIX_CUT;
                     });
      },
      fail);
}

void stop(int finalize) noexcept {
  guarded_slot([&] { the_process->stop(finalize != 0); },
               [](const Error& bug) { LogTarget(the_process->start()).error(bug); });
}

int interrupt(std::uint64_t request_id, std::int32_t why) noexcept {
  bool is_interrupted = false;
  guarded_slot(
      [&] {
        const Interpreter* interpreter = the_process->requests().interpreter_of(request_id);
        if (!interpreter) return;
        const Result<ThreadRecord*> record = the_process->attach(interpreter->name());
        if (!record) return LogTarget(the_process->start()).error(record.error());
        const GilGuard gil((*record)->state);
        is_interrupted =
            the_process->requests().interrupt(request_id, static_cast<wsgix_interruption>(why));
      },
      [](const Error& bug) { LogTarget(the_process->start()).error(bug); });
  return is_interrupted ? 1 : 0;
}

void heartbeat() noexcept {
  guarded_slot(
      [] {
        const Result<ThreadRecord*> record = the_process->attach("");
        const GilGuard gil((*record)->state);
      },
      [](const Error& bug) { LogTarget(the_process->start()).error(bug); });
}

void write_stacks(std::uint64_t request_id, void* context,
                  void (*line)(void* context, wsgix_text line)) noexcept {
  guarded_slot(
      [&] {
        for (const std::string& text : stacks_of_requests(*the_process, request_id))
          line(context, text_of(text));
      },
      [](const Error& bug) { LogTarget(the_process->start()).error(bug); });
}

int run_service(const wsgix_script* script, wsgix_failure* why) noexcept {
  int result = 1;
  guarded_slot(
      [&] {
        const std::optional<Error> failure = run_service_script(*the_process, *script);
        result = failure ? fill(why, *failure) : 0;
      },
      [&](const Error& bug) {
        LogTarget(the_process->start()).error(bug);
        fill(why, bug);
      });
  return result;
}

constexpr wsgix_runtime kRuntime = {
    WSGIX_RUNTIME_ABI_MAJOR,
    WSGIX_RUNTIME_ABI_MINOR,
    start,
    python_version,
    load_script,
    handle_request,
    stop,
    interrupt,
    heartbeat,
    write_stacks,
    run_service,
};

}  // namespace
}  // namespace wsgix::python

extern "C" __attribute__((visibility("default"))) const wsgix_runtime* wsgix_runtime_entry(
    std::uint32_t caller_major, std::uint32_t caller_minor) {
  const bool served =
      caller_major == WSGIX_RUNTIME_ABI_MAJOR && caller_minor <= WSGIX_RUNTIME_ABI_MINOR;
  return served ? &wsgix::python::kRuntime : nullptr;
}

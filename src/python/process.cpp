// SPDX-License-Identifier: Apache-2.0
#include "process.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <thread>
#include <utility>
#include <vector>

#include "exception.hpp"
#include "gil.hpp"
#include "per_thread.hpp"
#include "text.hpp"
#include "thread_state.hpp"
#include "wsgix/base/process_copy.hpp"

namespace wsgix::python {
namespace {

/// The records of one thread, the main interpreter's first.
struct ThisThread {
  Process* process = nullptr;
  bool is_pythons_main_thread = false;
  std::vector<std::unique_ptr<ThreadRecord>> records;

  ThreadRecord* find(std::string_view application_group) const {
    for (const auto& record : records)
      if (record->interpreter.name() == application_group) return record.get();
    return nullptr;
  }

  ~ThisThread() {
    // The main thread's states end in stop(), or with the process. In a forked copy CPython has
    // deleted those of the other threads, and a mutex of theirs may be locked for good.
    const bool may_release = process && !is_pythons_main_thread && !this_process_is_a_copy();
    while (!records.empty()) {
      // References that are left belong to a Python that is gone: leave them to the process.
      if (!may_release || !process->release(*records.back()))
        static_cast<void>(records.back().release());
      records.pop_back();
    }
  }
};

ThisThread& this_thread() { return per_thread<ThisThread>(); }

ThreadRecord& remember(Process& process, Interpreter& interpreter, PyThreadState& state) {
  this_thread().process = &process;
  this_thread().records.push_back(std::make_unique<ThreadRecord>(interpreter, state));
  ThreadRecord& record = *this_thread().records.back();
  interpreter.add(record);
  return record;
}

/// Since 3.13 an interpreter needs no state of its own (see Interpreter::keep()), and since 3.14
/// faulthandler asks the system for the name of each state's thread, which crashes when that one
/// is gone: no state may outlive its thread.
bool states_end_with_their_threads() { return running_python_minor() >= 13; }

/// Threads that Python code started and that are still there.
bool has_running_threads() {
  const Ref module = Ref::steal(PyImport_ImportModule("_thread"));
  const Ref count =
      Ref::steal(module ? PyObject_CallMethod(module.get(), "_count", nullptr) : nullptr);
  const bool none = count && PyLong_AsLong(count.get()) == 0;
  PyErr_Clear();
  return !none;
}

/// A client that can choose the name of an application group, as with %{HOST}, would spend two
/// megabytes with each, for good.
Failed too_many(std::string_view name, const wsgix_start& start) {
  constexpr std::size_t kMostShown = 200;
  const std::string_view group = start.process_group;
  const std::string whose =
      group.empty() ? "this httpd child" : fmt::format("this process of group '{}'", group);
  return failed(ErrorCode::TooManyInterpreters,
                fmt::format("application group '{}' (WSGIApplicationGroup or application-group=): "
                            "{} has {} sub-interpreters that requests named, the most it may have, "
                            "and this one names another",
                            printable(name.substr(0, kMostShown)), whose, start.interpreter_limit));
}

/// Since 3.13 a joined thread may still be on its last few instructions.
bool threads_stay_running() {
  constexpr int kMostWaits = 50;
  for (int i = 0; i < kMostWaits; ++i) {
    if (!has_running_threads()) return false;
    const GilRelease no_gil;
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  return true;
}

}  // namespace

Process::Process(const wsgix_start& start) : start_(start) {}

Result<void> Process::adopt_main_interpreter() {
  const std::string_view version = Py_GetVersion();
  version_ = version.substr(0, version.find(' '));

  Slot& slot = *slot_of("", NamedBy::Configuration);
  slot.interpreter = std::make_unique<Interpreter>("", start_);
  main_ = slot.interpreter.get();
  this_thread().is_pythons_main_thread = true;
  remember(*this, *main_, *PyThreadState_Get());
  const Result<void> ready = main_->set_up();
  PyEval_SaveThread();
  if (!ready) return ready;
  slot.ready = main_;
  running_ = true;
  return {};
}

Result<ThreadRecord*> Process::attach(const wsgix_script& script) {
  return attach(view_of(script.application_group),
                script.named_by_request ? NamedBy::Request : NamedBy::Configuration);
}

Result<ThreadRecord*> Process::attach(std::string_view application_group) {
  return attach(application_group, NamedBy::Configuration);
}

Result<ThreadRecord*> Process::attach(std::string_view application_group, NamedBy named_by) {
  if (ThreadRecord* known = this_thread().find(application_group)) return known;
  // PyGILState_Ensure() of extension modules uses the first state that a thread gets.
  if (!this_thread().find("")) remember(*this, *main_, *new_thread_state(main_->state()));
  if (application_group.empty()) return this_thread().find("");

  const Result<Interpreter*> interpreter = find_or_create(application_group, named_by);
  if (!interpreter) return failed(interpreter);
  ThreadRecord& record = remember(*this, **interpreter, *new_thread_state((*interpreter)->state()));
  if (states_end_with_their_threads() && (*interpreter)->keeps_state_of_this_thread()) {
    const GilGuard gil(record.state);
    (*interpreter)->end_kept_state();
  }
  return &record;
}

void Process::offer_stacks(int signal_number, int descriptor) {
  {
    const GilGuard gil(this_thread().find("")->state);
    if (!stack_signal_.handle(signal_number, descriptor)) {
      main_->log().text(kLogInfo, "Python cannot write its stacks where it makes no progress: " +
                                      Exception::take().summary());
      return;
    }
  }
  stack_signal_.add(*main_->state(), main_->description());
}

bool Process::release(ThreadRecord& record) noexcept {
  const std::lock_guard lock(running_mutex_);
  if (!running_) return false;
  PyEval_RestoreThread(&record.state);
  record.forget_python();
  PyThreadState_Clear(&record.state);
  PyEval_SaveThread();
  record.interpreter.remove(record);
  delete_thread_state(&record.state);
  return true;
}

Process::Slot* Process::slot_of(std::string_view application_group, NamedBy named_by) {
  const std::lock_guard lock(slots_mutex_);
  const auto found = slots_.find(application_group);
  if (found != slots_.end()) return &found->second;
  if (named_by == NamedBy::Request) {
    if (named_by_requests_ >= start_.interpreter_limit) return nullptr;
    ++named_by_requests_;
  }
  return &slots_[std::string(application_group)];
}

Result<Interpreter*> Process::find_or_create(std::string_view application_group, NamedBy named_by) {
  Slot* const found = slot_of(application_group, named_by);
  if (!found) return too_many(application_group, start_);
  Slot& slot = *found;
  if (Interpreter* ready = slot.ready) return ready;
  const std::lock_guard lock(slot.creating);
  if (Interpreter* ready = slot.ready) return ready;
  auto created = create_sub_interpreter(application_group);
  if (!created) return failed(created);
  slot.interpreter = std::move(*created);
  stack_signal_.add(*slot.interpreter->state(), printable(slot.interpreter->description()));
  slot.ready = slot.interpreter.get();
  return slot.interpreter.get();
}

Result<std::unique_ptr<Interpreter>> Process::create_sub_interpreter(std::string_view name) {
  PyEval_RestoreThread(&this_thread().find("")->state);
  PyThreadState* state = Py_NewInterpreter();  // becomes the current one
  if (!state) {
    PyEval_SaveThread();
    return failed(ErrorCode::PythonDidNotStart,
                  "application group '" + std::string(name) + "': Python made no sub-interpreter");
  }
  auto interpreter = std::make_unique<Interpreter>(std::string(name), start_);
  const Result<void> ready = interpreter->set_up();
  if (!ready) {
    interpreter->forget_python();
    Py_EndInterpreter(state);  // leaves no state current
    PyThreadState_Swap(&this_thread().find("")->state);
    PyEval_SaveThread();
    return failed(ready);
  }
  PyEval_SaveThread();
  interpreter->keep(*state);
  return interpreter;
}

void Process::stop(bool finalize) {
  {
    const std::lock_guard lock(running_mutex_);
    if (!running_.exchange(false)) return;
  }
  bool all_ended = true;
  for (auto& [name, slot] : slots_) {
    if (name.empty() || !slot.ready) continue;
    stop_in(*slot.interpreter);
    if (finalize) all_ended &= end_sub_interpreter(*slot.interpreter);
  }
  stop_in(*main_);
  if (!finalize) return;
  if (!all_ended) {
    main_->log().text(kLogInfo, "Python is not finalized: threads still run in a sub-interpreter");
    return;
  }
  stack_signal_.remove(*main_->state());
  PyEval_RestoreThread(&this_thread().find("")->state);
  for (ThreadRecord* record : main_->records()) record->forget_python();
  main_->forget_python();
  Py_FinalizeEx();
}

void Process::stop_in(Interpreter& interpreter) {
  ThreadRecord* here = this_thread().find(interpreter.name());
  if (!here) here = &remember(*this, interpreter, *new_thread_state(interpreter.state()));
  const GilGuard gil(here->state);
  interpreter.run_exit_functions();
}

bool Process::end_sub_interpreter(Interpreter& interpreter) {
  stack_signal_.remove(*interpreter.state());
  PyThreadState& here = this_thread().find(interpreter.name())->state;
  PyEval_RestoreThread(&here);
  // Py_EndInterpreter() ends the process when a thread has a state in it that is not ours.
  if (threads_stay_running()) {
    PyEval_SaveThread();
    return false;
  }
  for (ThreadRecord* record : interpreter.records()) {
    record->forget_python();
    if (&record->state == &here) continue;
    PyThreadState_Clear(&record->state);
    delete_thread_state(&record->state);
  }
  interpreter.end_kept_state();
  interpreter.forget_python();
  Py_EndInterpreter(&here);
  PyThreadState_Swap(&this_thread().find("")->state);
  PyEval_SaveThread();
  return true;
}

}  // namespace wsgix::python

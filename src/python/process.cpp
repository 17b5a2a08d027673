// SPDX-License-Identifier: Apache-2.0
#include "process.hpp"

#include <algorithm>
#include <chrono>
#include <thread>
#include <utility>
#include <vector>

#include "exception.hpp"
#include "gil.hpp"
#include "text.hpp"

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
    // The main thread's states end in stop(), or with the process.
    const bool may_release = process && !is_pythons_main_thread;
    while (!records.empty()) {
      // References that are left belong to a Python that is gone: leave them to the process.
      if (!may_release || !process->release(*records.back()))
        static_cast<void>(records.back().release());
      records.pop_back();
    }
  }
};

thread_local ThisThread this_thread;

ThreadRecord& remember(Process& process, Interpreter& interpreter, PyThreadState& state) {
  this_thread.process = &process;
  this_thread.records.push_back(std::make_unique<ThreadRecord>(interpreter, state));
  ThreadRecord& record = *this_thread.records.back();
  interpreter.add(record);
  return record;
}

/// Threads that Python code started and that are still there.
bool has_running_threads() {
  const Ref module = Ref::steal(PyImport_ImportModule("_thread"));
  const Ref count =
      Ref::steal(module ? PyObject_CallMethod(module.get(), "_count", nullptr) : nullptr);
  const bool none = count && PyLong_AsLong(count.get()) == 0;
  PyErr_Clear();
  return !none;
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

Result<void> Process::adopt_main_interpreter() {
  const std::string_view version = Py_GetVersion();
  version_ = version.substr(0, version.find(' '));

  Slot& slot = slot_of("");
  slot.interpreter = std::make_unique<Interpreter>("", start_);
  main_ = slot.interpreter.get();
  this_thread.is_pythons_main_thread = true;
  remember(*this, *main_, *PyThreadState_Get());
  const Result<void> ready = main_->set_up();
  PyEval_SaveThread();
  if (!ready) return ready;
  slot.ready = main_;
  running_ = true;
  return {};
}

Result<ThreadRecord*> Process::attach(std::string_view application_group) {
  if (ThreadRecord* known = this_thread.find(application_group)) return known;
  // PyGILState_Ensure() of extension modules uses the first state that a thread gets.
  if (!this_thread.find("")) remember(*this, *main_, *PyThreadState_New(main_->state()));
  if (application_group.empty()) return this_thread.find("");

  const Result<Interpreter*> interpreter = find_or_create(application_group);
  if (!interpreter) return failed(interpreter);
  return &remember(*this, **interpreter, *PyThreadState_New((*interpreter)->state()));
}

void Process::offer_stacks(int signal_number, int descriptor) {
  {
    const GilGuard gil(this_thread.find("")->state);
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
  PyThreadState_Delete(&record.state);
  return true;
}

Process::Slot& Process::slot_of(std::string_view application_group) {
  const std::lock_guard lock(slots_mutex_);
  const auto found = slots_.find(application_group);
  return found != slots_.end() ? found->second : slots_[std::string(application_group)];
}

Result<Interpreter*> Process::find_or_create(std::string_view application_group) {
  Slot& slot = slot_of(application_group);
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
  PyEval_RestoreThread(&this_thread.find("")->state);
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
    PyThreadState_Swap(&this_thread.find("")->state);
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
  PyEval_RestoreThread(&this_thread.find("")->state);
  for (ThreadRecord* record : main_->records()) record->forget_python();
  main_->forget_python();
  Py_FinalizeEx();
}

void Process::stop_in(Interpreter& interpreter) {
  ThreadRecord* here = this_thread.find(interpreter.name());
  if (!here) here = &remember(*this, interpreter, *PyThreadState_New(interpreter.state()));
  const GilGuard gil(here->state);
  interpreter.run_exit_functions();
}

bool Process::end_sub_interpreter(Interpreter& interpreter) {
  stack_signal_.remove(*interpreter.state());
  PyThreadState& here = this_thread.find(interpreter.name())->state;
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
    PyThreadState_Delete(&record->state);
  }
  interpreter.end_kept_state();
  interpreter.forget_python();
  Py_EndInterpreter(&here);
  PyThreadState_Swap(&this_thread.find("")->state);
  PyEval_SaveThread();
  return true;
}

}  // namespace wsgix::python

// SPDX-License-Identifier: Apache-2.0
#include "running_requests.hpp"

#include <utility>

#include "forked_copy.hpp"

namespace wsgix::python {

std::vector<RunningRequests::Entry> RunningRequests::find(std::uint64_t id) const {
  const std::lock_guard lock(mutex_);
  std::vector<Entry> found;
  for (const RunningRequest* request : running_) {
    if (id != 0 && request->id_ != id) continue;
    found.push_back(
        {request->id_, request->thread_, &request->interpreter_, request->awaited_ != nullptr});
  }
  return found;
}

Interpreter* RunningRequests::interpreter_of(std::uint64_t id) const {
  if (id == 0) return nullptr;
  const std::vector<Entry> found = find(id);
  return found.empty() ? nullptr : found.front().interpreter;
}

bool RunningRequests::interrupt(std::uint64_t id, wsgix_interruption why) {
  const std::lock_guard lock(mutex_);
  for (RunningRequest* request : running_) {
    if (request->id_ != id || request->shielded_) continue;
    PyObject* exception = request->interpreter_.interruption(why);
    if (!exception || PyThreadState_SetAsyncExc(request->thread_, exception) == 0) return false;
    request->interruption_ = why;
    request->may_be_pending_ = true;
    if (request->awaited_) request->awaited_->wake();
    return true;
  }
  return false;
}

RunningRequest::RunningRequest(RunningRequests& all, std::uint64_t id, Interpreter& interpreter,
                               const wsgix_request& request, void (*on_loading)(void*, int))
    : all_(all),
      id_(id),
      thread_(PyThread_get_thread_ident()),
      interpreter_(interpreter),
      request_(request),
      on_loading_(on_loading) {
  const std::lock_guard lock(all_.mutex_);
  all_.running_.push_back(this);
}

RunningRequest::~RunningRequest() {
  shield();
  if (was_interrupted()) let_python_forget();
  const std::lock_guard lock(all_.mutex_);
  std::erase(all_.running_, this);
}

/// Withdrawing an exception leaves a mark in the interpreter (up to 3.12), which makes every thread
/// look for it at each turn of a loop until one is raised somewhere. So raise one, here.
void RunningRequest::let_python_forget() const {
  const Ref code = Ref::steal(
      Py_CompileString("for _ in (1, 2): pass", "<end of an interruption>", Py_file_input));
  const Ref names = Ref::steal(PyDict_New());
  if (code && names) {
    PyThreadState_SetAsyncExc(thread_, PyExc_KeyboardInterrupt);
    const Ref done = Ref::steal(PyEval_EvalCode(code.get(), names.get(), names.get()));
    if (done) PyThreadState_SetAsyncExc(thread_, nullptr);
  }
  PyErr_Clear();
}

void RunningRequest::shield() {
  end_if_copy();  // another thread may have held the mutex at the fork
  const std::lock_guard lock(all_.mutex_);
  shielded_ = true;
  if (std::exchange(may_be_pending_, false)) PyThreadState_SetAsyncExc(thread_, nullptr);
}

void RunningRequest::unshield() {
  const std::lock_guard lock(all_.mutex_);
  shielded_ = false;
}

Script::LoadTurn RunningRequest::begin_or_wait(Script& script, std::optional<Error>& failure) {
  const auto await = [&](Script* awaited) {
    const std::lock_guard lock(all_.mutex_);
    awaited_ = awaited;
  };
  await(&script);
  const Script::LoadTurn turn = script.begin_or_wait(failure, interruption_);
  await(nullptr);
  return turn;
}

void RunningRequest::loading(bool begins) const {
  if (on_loading_) on_loading_(request_.stream, begins ? 1 : 0);
}

}  // namespace wsgix::python

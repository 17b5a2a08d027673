// SPDX-License-Identifier: Apache-2.0
#include "termination.hpp"

#include <cerrno>

#include "gil.hpp"
#include "own_code.hpp"
#include "plain_thread.hpp"
#include "ref.hpp"
#include "thread_state.hpp"
#include "wsgix/base/process_copy.hpp"

namespace wsgix::python {
namespace {

constexpr int kSignals[] = {SIGTERM, SIGINT};

// Not SIG_IGN for the later ones: programs that the cleaning up starts would inherit it.
// A process that the script forks ends at these signals as any other does, unless it says
// otherwise.
constexpr const char* kSource = R"(
import os, signal

def ignore(number, frame):
    pass

def leave(number, frame):
    signal.signal(signal.SIGTERM, ignore)
    signal.signal(signal.SIGINT, ignore)
    raise SystemExit(0)

def in_copy():
    for number in (signal.SIGTERM, signal.SIGINT):
        if signal.getsignal(number) in (leave, ignore):
            signal.signal(number, signal.SIG_DFL)

signal.signal(signal.SIGTERM, leave)
signal.signal(signal.SIGINT, leave)
os.register_at_fork(after_in_child=in_copy)
)";

// What the signal handler touches; see src/python/README.md.
std::atomic<sem_t*> asked_by_signal = nullptr;

void on_signal(int number) {
  const int saved_errno = errno;
  if (this_process_is_a_copy()) {
    // Nobody waits there: the thread was not copied. It ends as any process does.
    ::signal(number, SIG_DFL);
    ::raise(number);
  } else if (sem_t* asked = asked_by_signal) {
    ::sem_post(asked);
  }
  errno = saved_errno;
}

}  // namespace

TerminationRaises::TerminationRaises(const Interpreter& interpreter)
    : interpreter_(interpreter), main_thread_(PyThread_get_thread_ident()) {
  for (int i = 0; i < 2; ++i) ::sigaction(kSignals[i], nullptr, &before_[i]);
  ::sem_init(&asked_, 0, 0);
  is_ready_ = interpreter.name().empty() ? raise_by_python() : raise_by_thread();
}

TerminationRaises::~TerminationRaises() {
  for (int i = 0; i < 2; ++i) ::sigaction(kSignals[i], &before_[i], nullptr);
  if (has_thread_) {
    asked_by_signal = nullptr;
    ends_ = true;
    ::sem_post(&asked_);
    const GilRelease no_gil;
    ::pthread_join(thread_, nullptr);
  }
  if (may_be_pending_) PyThreadState_SetAsyncExc(main_thread_, nullptr);
  ::sem_destroy(&asked_);
}

bool TerminationRaises::raise_by_python() {
  return static_cast<bool>(run_own_code(kSource, "<wsgix service>"));
}

bool TerminationRaises::raise_by_thread() {
  has_thread_ = start_plain_thread(thread_, run, this);
  if (!has_thread_) {
    PyErr_SetString(PyExc_RuntimeError, "no thread can be started");
    return false;
  }
  asked_by_signal = &asked_;
  struct sigaction ours = {};
  ours.sa_handler = on_signal;
  ::sigemptyset(&ours.sa_mask);
  for (const int number : kSignals) ::sigaction(number, &ours, nullptr);
  return true;
}

void* TerminationRaises::run(void* self) {
  static_cast<TerminationRaises*>(self)->raise_once_asked();
  return nullptr;
}

void TerminationRaises::raise_once_asked() {
  wait_for(asked_);
  if (ends_) return;
  PyThreadState* state = new_thread_state(interpreter_.state());
  PyEval_RestoreThread(state);
  if (!ends_) {
    PyThreadState_SetAsyncExc(main_thread_, PyExc_SystemExit);
    may_be_pending_ = true;
  }
  PyThreadState_Clear(state);
  PyEval_SaveThread();
  delete_thread_state(state);
}

}  // namespace wsgix::python

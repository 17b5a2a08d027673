// SPDX-License-Identifier: Apache-2.0
#include "stack_signal.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <csignal>
#include <utility>

#include "plain_thread.hpp"
#include "ref.hpp"
#include "thread_state.hpp"
#include "wsgix/base/process_copy.hpp"

namespace wsgix::python {
namespace {

// What the signal handler touches; see src/python/README.md.
std::atomic<sem_t*> wanted_by_signal = nullptr;

void on_signal(int) {
  const int saved_errno = errno;
  sem_t* const wanted = wanted_by_signal;
  if (wanted && !this_process_is_a_copy()) ::sem_post(wanted);
  errno = saved_errno;
}

}  // namespace

class Witness {
 public:
  Witness(PyInterpreterState& interpreter, std::string heading)
      : interpreter_(interpreter), heading_(std::move(heading)) {
    ::sem_init(&asked_, 0, 0);
    ::sem_init(&done_, 0, 0);
    is_running_ = start_plain_thread(thread_, run, this);
    if (is_running_) wait_for(done_);
  }

  /// Ends its state, for which it needs the GIL.
  ~Witness() {
    if (is_running_) {
      handler_ = nullptr;
      ::sem_post(&asked_);
      ::pthread_join(thread_, nullptr);
    }
    ::sem_destroy(&asked_);
    ::sem_destroy(&done_);
  }
  Witness(const Witness&) = delete;
  Witness& operator=(const Witness&) = delete;

  bool is_in(const PyInterpreterState& interpreter) const { return &interpreter_ == &interpreter; }

  void write(int descriptor, void (*handler)(int), int signal_number) {
    if (!is_running_) return;
    if (::write(descriptor, heading_.data(), heading_.size()) < 0) return;
    handler_ = handler;
    signal_number_ = signal_number;
    ::sem_post(&asked_);
    wait_for(done_);
  }

 private:
  static void* run(void* self) {
    static_cast<Witness*>(self)->serve();
    return nullptr;
  }

  void serve() {
    PyThreadState* state = new_thread_state(&interpreter_);
    ::sem_post(&done_);
    while (true) {
      wait_for(asked_);
      if (!handler_) break;
      handler_(signal_number_);
      ::sem_post(&done_);
    }
    PyEval_RestoreThread(state);
    PyThreadState_Clear(state);
    PyEval_SaveThread();
    delete_thread_state(state);
  }

  PyInterpreterState& interpreter_;
  const std::string heading_;
  pthread_t thread_ = {};
  bool is_running_ = false;
  sem_t asked_ = {};
  sem_t done_ = {};
  // Handed over by asked_. Null: the thread ends.
  void (*handler_)(int) = nullptr;
  int signal_number_ = 0;
};

StackSignal::StackSignal() { ::sem_init(&wanted_, 0, 0); }

// The process lives as long as the program, and so does the thread that waits for the signal.
StackSignal::~StackSignal() = default;

bool StackSignal::handle(int signal_number, int descriptor) {
  const Ref module = Ref::steal(PyImport_ImportModule("faulthandler"));
  const Ref function =
      Ref::steal(module ? PyObject_GetAttrString(module.get(), "register") : nullptr);
  const Ref arguments = Ref::steal(Py_BuildValue("(i)", signal_number));
  const Ref options = Ref::steal(Py_BuildValue("{s:i,s:O,s:O}", "file", descriptor, "all_threads",
                                               Py_True, "chain", Py_False));
  if (!function || !arguments || !options) return false;
  const Ref done = Ref::steal(PyObject_Call(function.get(), arguments.get(), options.get()));
  if (!done) return false;

  struct sigaction ours = {}, faulthandlers = {};
  ours.sa_handler = on_signal;
  ours.sa_flags = SA_RESTART;
  ::sigemptyset(&ours.sa_mask);
  ::sigaction(signal_number, nullptr, &faulthandlers);
  pthread_t thread;
  faulthandlers_ = faulthandlers.sa_handler;
  signal_number_ = signal_number;
  descriptor_ = descriptor;
  if (!start_plain_thread(thread, run, this)) {
    PyErr_SetString(PyExc_RuntimeError, "no thread can be started");
    signal_number_ = 0;
    return false;
  }
  wanted_by_signal = &wanted_;
  ::sigaction(signal_number, &ours, nullptr);
  return true;
}

void StackSignal::add(PyInterpreterState& interpreter, const std::string& name) {
  if (signal_number_ == 0) return;
  auto witness = std::make_unique<Witness>(interpreter, "Python stacks, " + name + ":\n");
  const std::lock_guard lock(mutex_);
  witnesses_.push_back(std::move(witness));
}

void StackSignal::remove(PyInterpreterState& interpreter) {
  const std::lock_guard lock(mutex_);
  std::erase_if(witnesses_, [&](const auto& witness) { return witness->is_in(interpreter); });
}

void* StackSignal::run(void* self) {
  auto& signal = *static_cast<StackSignal*>(self);
  while (true) {
    wait_for(signal.wanted_);
    signal.write_all();
  }
}

void StackSignal::write_all() {
  const std::lock_guard lock(mutex_);
  for (const auto& witness : witnesses_)
    witness->write(descriptor_, faulthandlers_, signal_number_);
}

}  // namespace wsgix::python

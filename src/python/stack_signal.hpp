// SPDX-License-Identifier: Apache-2.0
// python/stack_signal.hpp: a signal that writes the Python stacks although nobody gets the GIL.
#pragma once

#include <semaphore.h>

#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "python_api.hpp"

namespace wsgix::python {

/// A thread without Python code in one interpreter. faulthandler writes the threads of only one
/// interpreter: that of the first state of the thread that asks.
class Witness;

/// faulthandler's handler, asked for each interpreter in turn by threads of our own.
class StackSignal {
 public:
  StackSignal();
  ~StackSignal();
  StackSignal(const StackSignal&) = delete;
  StackSignal& operator=(const StackSignal&) = delete;

  /// Needs the GIL of the main interpreter. False: a Python exception is pending.
  bool handle(int signal_number, int descriptor);

  /// From now on that interpreter is written as well; `name` is its heading. Call both without
  /// any GIL.
  void add(PyInterpreterState& interpreter, const std::string& name);
  void remove(PyInterpreterState& interpreter);

 private:
  static void* run(void* self);
  void write_all();

  int signal_number_ = 0;  // 0: there is none
  int descriptor_ = -1;
  void (*faulthandlers_)(int) = nullptr;
  sem_t wanted_ = {};
  std::mutex mutex_;  // guards witnesses_
  std::vector<std::unique_ptr<Witness>> witnesses_;
};

}  // namespace wsgix::python

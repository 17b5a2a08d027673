// SPDX-License-Identifier: Apache-2.0
// python/process.hpp: the one Python of this process: its interpreters and its threads.
#pragma once

#include <atomic>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>

#include "interpreter.hpp"
#include "running_requests.hpp"
#include "stack_signal.hpp"
#include "thread_record.hpp"
#include "wsgix/base/result.hpp"

namespace wsgix::python {

/// Made by start(), ended by stop(); see wsgix_runtime for who may call when.
class Process {
 public:
  explicit Process(const wsgix_start& start);

  /// Sets up the main interpreter on the thread that has just initialised Python, and gives up
  /// the GIL.
  Result<void> adopt_main_interpreter();

  /// The calling thread in the interpreter of the script's application group; both are made when
  /// missing. Call it without any GIL.
  Result<ThreadRecord*> attach(const wsgix_script& script);
  /// The same for an interpreter that is there. "": the main one.
  Result<ThreadRecord*> attach(std::string_view application_group);

  /// From now on that signal writes the stacks of all threads to the descriptor. That Python
  /// cannot do it is an information in the log.
  void offer_stacks(int signal_number, int descriptor);

  /// A thread ends: its states go with it. False: Python ends already, so nothing was done.
  bool release(ThreadRecord& record) noexcept;

  /// Runs the exit functions of every interpreter; with `finalize` ends them all.
  void stop(bool finalize);

  RunningRequests& requests() noexcept { return requests_; }
  bool is_running() const noexcept { return running_; }
  const wsgix_start& start() const noexcept { return start_; }
  const std::string& python_version() const noexcept { return version_; }

 private:
  struct Slot {
    std::mutex creating;  // held while the interpreter is made; no GIL is held when taking it
    std::unique_ptr<Interpreter> interpreter;
    std::atomic<Interpreter*> ready = nullptr;
  };

  enum class NamedBy { Configuration, Request };

  Result<ThreadRecord*> attach(std::string_view application_group, NamedBy named_by);
  /// Null: the name is a new one of a request, and there are as many as may be.
  Slot* slot_of(std::string_view application_group, NamedBy named_by);
  Result<Interpreter*> find_or_create(std::string_view application_group, NamedBy named_by);
  Result<std::unique_ptr<Interpreter>> create_sub_interpreter(std::string_view name);
  bool end_sub_interpreter(Interpreter& interpreter);
  void stop_in(Interpreter& interpreter);

  const wsgix_start& start_;
  RunningRequests requests_;
  StackSignal stack_signal_;
  std::string version_;
  Interpreter* main_ = nullptr;
  std::mutex slots_mutex_;  // guards slots_
  std::map<std::string, Slot, std::less<>> slots_;
  std::size_t named_by_requests_ = 0;  // of them; guarded as they are
  std::mutex running_mutex_;           // held while a thread's states are released
  std::atomic<bool> running_ = false;
};

}  // namespace wsgix::python

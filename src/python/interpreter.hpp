// SPDX-License-Identifier: Apache-2.0
// python/interpreter.hpp: one Python interpreter and what every request in it shares.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "log_target.hpp"
#include "raw_file.hpp"
#include "ref.hpp"
#include "script.hpp"
#include "wsgix/base/result.hpp"
#include "wsgix/runtime/abi.h"

namespace wsgix::python {

struct ThreadRecord;

/// The heap types of one interpreter; types cannot be shared between interpreters.
struct Types {
  Ref input;
  Ref log;
  Ref adapter;
  Ref file_wrapper;
  Ref restricted;
  RawFileTypes raw_files;
};

class Interpreter {
 public:
  /// `name` is the application group; "" is the main interpreter.
  Interpreter(std::string name, const wsgix_start& process) noexcept
      : name_(std::move(name)), process_(process) {}

  /// Makes the current interpreter ours: path, streams, modules. Needs its GIL.
  Result<void> set_up();
  /// Waits for non-daemon threads, runs atexit, writes out what the streams hold. Needs its GIL.
  void run_exit_functions();
  /// Gives up every reference. Needs its GIL; nothing of it is used afterwards.
  void forget_python();

  const std::string& name() const noexcept { return name_; }
  const wsgix_start& process() const noexcept { return process_; }
  LogTarget log() const noexcept { return LogTarget(process_); }
  /// "main interpreter of daemon process 'shop'", for messages.
  std::string description() const;

  PyInterpreterState* state() const noexcept { return state_; }

  /// A sub-interpreter's first thread state stays with it instead of the thread that made it: up
  /// to 3.11 an interpreter without any state cannot get a new one, and the threading module
  /// takes the end of that state for the end of its main thread.
  void keep(PyThreadState& first) noexcept {
    kept_state_ = &first;
    keeping_thread_ = std::this_thread::get_id();
  }
  bool keeps_state_of_this_thread() const noexcept {
    return keeping_thread_ == std::this_thread::get_id();
  }
  /// Once only; later calls do nothing. Needs the GIL, held with another state of this
  /// interpreter.
  void end_kept_state();

  const Types& types() const noexcept { return types_; }
  /// The class mod_wsgi.RequestTimeout or mod_wsgi.ClientDisconnected; null: unknown reason.
  PyObject* interruption(wsgix_interruption why) const noexcept;
  /// The entries that every environ of this interpreter starts with.
  PyObject* environ_template() const noexcept { return environ_template_.get(); }
  /// How many references there are to the object beside the one that the caller owns.
  long further_references(PyObject* object) const;

  /// The record of that script; made at its first use, kept for good. Needs no GIL.
  Script& script(std::string_view path);

  void add(ThreadRecord& record);
  void remove(ThreadRecord& record);
  /// For the end: what threads still hold here.
  std::vector<ThreadRecord*> records();

 private:
  bool set_switch_interval();
  bool make_types();
  bool learn_to_count_references();
  bool replace_streams();
  bool make_mod_wsgi_module();
  bool is_in_worker() const;
  bool make_apache_module();
  bool make_environ_template();

  std::string name_;
  const wsgix_start& process_;
  PyInterpreterState* state_ = nullptr;
  PyThreadState* kept_state_ = nullptr;
  std::thread::id keeping_thread_;
  Types types_;
  Ref request_timeout_;
  Ref client_disconnected_;
  Ref environ_template_;
  Ref count_references_;             // sys.getrefcount()
  long references_of_unshared_ = 0;  // what it says about an object with one owner

  std::mutex mutex_;  // guards what follows; nobody waits for a GIL while holding it
  std::map<std::string, std::unique_ptr<Script>, std::less<>> scripts_;
  std::vector<ThreadRecord*> records_;
};

}  // namespace wsgix::python

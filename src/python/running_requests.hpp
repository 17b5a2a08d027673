// SPDX-License-Identifier: Apache-2.0
// python/running_requests.hpp: which thread runs which request, so that another thread can raise
// an exception there or look at its stack.
#pragma once

#include <atomic>
#include <cstdint>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "interpreter.hpp"
#include "script.hpp"
#include "wsgix/runtime/abi.h"

namespace wsgix::python {

class RunningRequest;

/// All requests that run in this process.
class RunningRequests {
 public:
  /// One of them, as it was a moment ago.
  struct Entry {
    std::uint64_t id = 0;
    unsigned long thread = 0;  ///< Python's number of the thread
    Interpreter* interpreter = nullptr;
    bool waits_for_load = false;  ///< another thread loads its script
  };

  /// That one, or with 0 all.
  std::vector<Entry> find(std::uint64_t id) const;
  /// Null: no such request runs.
  Interpreter* interpreter_of(std::uint64_t id) const;
  /// Needs the GIL of its interpreter. False: it ended, or is at its end.
  bool interrupt(std::uint64_t id, wsgix_interruption why);

 private:
  friend class RunningRequest;

  mutable std::mutex mutex_;  // guards what follows; nobody waits for a GIL while holding it
  std::vector<RunningRequest*> running_;
};

/// A request from the moment its thread has the GIL until nothing of it is left. Made, used and
/// destroyed by that thread, with the GIL, except where said otherwise.
class RunningRequest {
 public:
  /// `on_loading` may be null.
  RunningRequest(RunningRequests& all, std::uint64_t id, Interpreter& interpreter,
                 const wsgix_request& request, void (*on_loading)(void*, int));
  ~RunningRequest();
  RunningRequest(const RunningRequest&) = delete;
  RunningRequest& operator=(const RunningRequest&) = delete;

  /// From here on nothing is raised in this thread; what waited for its next step of Python code
  /// is withdrawn. A pending Python exception stays.
  void shield();
  void unshield();

  /// Whether somebody wanted it interrupted, and why. Needs no GIL.
  bool was_interrupted() const noexcept { return interruption_ != 0; }
  wsgix_interruption interruption() const noexcept {
    return static_cast<wsgix_interruption>(interruption_.load());
  }

  /// Script::begin_or_wait(), which an interruption ends. Call it without the GIL.
  Script::LoadTurn begin_or_wait(Script& script, std::optional<Error>& failure);
  /// Tells the process.
  void loading(bool begins) const;

 private:
  friend class RunningRequests;

  void let_python_forget() const;

  RunningRequests& all_;
  const std::uint64_t id_;
  const unsigned long thread_;
  Interpreter& interpreter_;
  const wsgix_request& request_;
  void (*const on_loading_)(void*, int);
  std::atomic<std::int32_t> interruption_ = 0;  // changed under all_.mutex_, with the GIL
  bool shielded_ = false;                       // guarded by all_.mutex_
  bool may_be_pending_ = false;                 // guarded by all_.mutex_
  Script* awaited_ = nullptr;                   // guarded by all_.mutex_
};

/// While it lives, that request is not interrupted. Null: there is none.
class [[nodiscard]] Shielded {
 public:
  explicit Shielded(RunningRequest* request) : request_(request) {
    if (request_) request_->shield();
  }
  ~Shielded() {
    if (request_) request_->unshield();
  }
  Shielded(const Shielded&) = delete;
  Shielded& operator=(const Shielded&) = delete;

 private:
  RunningRequest* request_;
};

}  // namespace wsgix::python

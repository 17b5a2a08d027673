// SPDX-License-Identifier: Apache-2.0
// runtime/attendant.hpp: the one thread of a process that may wait for the GIL on behalf of others.
//
// It proves that Python makes progress, says what a late request is doing and interrupts it. All
// of that may hang with Python: who must not hang watches from outside, by the heartbeats.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "wsgix/base/clock.hpp"
#include "wsgix/base/log_sink.hpp"
#include "wsgix/runtime/abi.h"

namespace wsgix::runtime {

/// A running request, for the attendant's thread.
class Attended {
 public:
  virtual ~Attended() = default;
  virtual bool client_is_gone() const noexcept = 0;
  /// "GET /path", for messages.
  virtual std::string describe() const = 0;
  /// A line about the request. Must not wait.
  virtual void log_line(LogLevel level, std::string_view line) noexcept = 0;
};

class Attendant {
 public:
  struct Duties {
    std::function<void()> heartbeat;  ///< about once a second; empty: Python is not asked
    bool interrupt_when_client_is_gone = false;
    LogSink& log;  ///< for what belongs to no request
  };

  Attendant(const wsgix_runtime& runtime, Duties duties);
  Attendant(const Attendant&) = delete;
  Attendant& operator=(const Attendant&) = delete;
  /// Joins the thread: waits as long as Python makes it wait.
  ~Attendant();

  /// From any thread. `request` is used until withdraw() returns, which never waits for Python.
  void enroll(std::uint64_t id, Deadline deadline, Attended& request);
  void withdraw(std::uint64_t id);
  /// The stacks of all running requests go to the log, soon.
  void write_stacks();
  bool watches_clients() const noexcept { return duties_.interrupt_when_client_is_gone; }

 private:
  struct Entry {
    Attended* request;
    Deadline deadline;
    bool interrupted = false;
  };
  struct Interruption {
    std::uint64_t id;
    std::int32_t why;
  };
  using Lock = std::unique_lock<std::mutex>;

  void attend();
  std::vector<Interruption> due(Clock::time_point now);
  Clock::time_point next_look() const;
  void interrupt(const Interruption& late);
  std::vector<std::string> stacks_of(std::uint64_t id);

  const wsgix_runtime& runtime_;
  const Duties duties_;

  mutable std::mutex mutex_;  ///< guards what follows; never held while Python is called
  std::condition_variable changed_;
  std::map<std::uint64_t, Entry> requests_;
  bool stacks_wanted_ = false;
  bool ending_ = false;
  Clock::time_point next_beat_;
  Clock::time_point last_look_;  ///< at the clients

  std::thread thread_;  ///< last: it uses everything above
};

}  // namespace wsgix::runtime

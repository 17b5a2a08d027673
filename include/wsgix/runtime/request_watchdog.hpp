// SPDX-License-Identifier: Apache-2.0
// runtime/request_watchdog.hpp: the one thread of a process that may wait for the GIL on behalf of
// others.
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

/// A running request, for the watchdog's thread.
class WatchedRequest {
 public:
  virtual ~WatchedRequest() = default;
  virtual bool client_is_gone() const noexcept = 0;
  /// "GET /path", for messages.
  virtual std::string describe() const = 0;
  /// A line about the request. Must not wait.
  virtual void log_line(LogLevel level, std::string_view line) noexcept = 0;
};

/// What is due when, by the clock that its caller reads. Pure; one thread at a time.
class WatchdogSchedule {
 public:
  struct Interruption {
    std::uint64_t id;
    std::int32_t why;  ///< wsgix_runtime::interrupt()
  };
  struct Due {
    bool beat = false;
    std::vector<Interruption> late;  ///< each request once
  };

  /// `first_beat`: kNever for none at all. `watches_clients`: whose client has left is late.
  WatchdogSchedule(Deadline first_beat, bool watches_clients) noexcept
      : next_beat_(first_beat), watches_clients_(watches_clients) {}

  void enroll(std::uint64_t id, Deadline deadline, WatchedRequest& request);
  void withdraw(std::uint64_t id) { requests_.erase(id); }
  /// Null when it is not enrolled.
  WatchedRequest* find(std::uint64_t id) const noexcept;
  bool watches_clients() const noexcept { return watches_clients_; }

  /// When there is something to do again.
  Deadline next_look() const noexcept;
  Due take_due(Clock::time_point now);

 private:
  struct Entry {
    WatchedRequest* request;
    Deadline deadline;
    bool interrupted = false;
  };

  std::map<std::uint64_t, Entry> requests_;
  Deadline next_beat_;
  Clock::time_point last_look_;  ///< at the clients
  const bool watches_clients_;
};

class RequestWatchdog {
 public:
  struct Duties {
    std::function<void()> heartbeat;  ///< about once a second; empty: Python is not asked
    bool interrupt_when_client_is_gone = false;
    LogSink& log;  ///< for what belongs to no request
  };

  RequestWatchdog(const wsgix_runtime& runtime, Duties duties);
  RequestWatchdog(const RequestWatchdog&) = delete;
  RequestWatchdog& operator=(const RequestWatchdog&) = delete;
  /// Joins the thread: waits as long as Python makes it wait.
  ~RequestWatchdog();

  /// From any thread. `request` is used until withdraw() returns, which never waits for Python.
  void enroll(std::uint64_t id, Deadline deadline, WatchedRequest& request);
  void withdraw(std::uint64_t id);
  /// The stacks of all running requests go to the log, soon.
  void write_stacks();
  bool watches_clients() const noexcept { return schedule_.watches_clients(); }

 private:
  using Lock = std::unique_lock<std::mutex>;

  void watch();
  void interrupt(const WatchdogSchedule::Interruption& late);
  std::vector<std::string> stacks_of(std::uint64_t id);

  const wsgix_runtime& runtime_;
  const Duties duties_;

  std::mutex mutex_;  ///< guards what follows; never held while Python is called
  std::condition_variable changed_;
  WatchdogSchedule schedule_;
  bool stacks_wanted_ = false;
  bool ending_ = false;

  std::thread thread_;  ///< last: it uses everything above
};

}  // namespace wsgix::runtime

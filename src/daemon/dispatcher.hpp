// SPDX-License-Identifier: Apache-2.0
// daemon/dispatcher.hpp: brings requests from the listener and idle connections to threads.
//
// threads= requests run at once; one thread more answers Busy, so that no request waits for this
// process while another one is idle. Which thread does what is never fixed: all of them wait in
// one poller, and whoever gets a report owns that connection until it parks or closes it.
#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>

#include "connection.hpp"
#include "permits.hpp"
#include "session.hpp"
#include "wsgix/daemon/control.hpp"
#include "wsgix/os/poller.hpp"
#include "wsgix/scoreboard/scoreboard.hpp"

namespace wsgix::daemon {

/// What a serving thread keeps from one request to the next.
struct ServingThread {
  RequestScratch scratch;
  scoreboard::HeldThreadSlot slot;
  std::string last_script;            ///< what note_script() looked at last
  Clock::time_point script_is_due{};  ///< to be looked at again
};

struct DispatcherSettings {
  std::string group;           ///< for messages
  std::string token;           ///< what a child has to say first
  std::uint32_t peer_uid = 0;  ///< who may connect, besides root and our own account
  int threads = 1;
  int maximum_requests = 0;                         ///< 0: no limit
  std::size_t head_limit = wire::kMaxPayloadBytes;  ///< bytes of a head, both ways
  std::int64_t send_buffer_size = 0;                ///< of connections, bytes; 0: the system's own
  std::int64_t receive_buffer_size = 0;             ///< likewise
  Clock::duration patience{};         ///< how long a peer may do nothing in the middle of a request
  std::uint32_t slot = 0;             ///< of the scoreboard
  Clock::duration interrupt_after{};  ///< request-timeout with an interrupt; 0: never
  runtime::RequestWatchdog* watchdog = nullptr;  ///< null: nobody interrupts a request
};

/// Called from serving threads; the first two at most once.
class DispatcherEvents {
 public:
  virtual ~DispatcherEvents() = default;
  virtual void script_is_stale() noexcept = 0;  ///< the drain has begun already
  virtual void request_limit_reached() noexcept = 0;
  /// For each script that has answered a request: at once, then at most once a minute.
  virtual void script_is_used(const wsgi::OwnedScriptRef& script) noexcept = 0;
};

class Dispatcher {
 public:
  /// Everything is borrowed.
  static Result<std::unique_ptr<Dispatcher>> create(DispatcherSettings settings, int listener,
                                                    const Application& application,
                                                    scoreboard::Board& board,
                                                    DispatcherEvents& events, LogSink& log);

  /// The whole life of one serving thread; start settings.threads + 1 of them.
  void serve();
  /// Until begin_drain(). A process that has not said that it is ready must not begin: a request
  /// that ends it would count as its failed start.
  Result<void> accept_connections();
  /// No request is started any more: running ones end, every connection gets Closing. False when
  /// it had begun already. Any thread.
  bool begin_drain();
  /// Readable once a drain has closed the last connection; the threads return then.
  int drained_fd() const noexcept { return drained_.fd(); }

 private:
  class Permit;
  class Running;

  Dispatcher(DispatcherSettings settings, int listener, const Application& application,
             scoreboard::Board& board, DispatcherEvents& events, LogSink& log, os::Poller poller,
             os::Event drained);

  // dispatcher.cpp: connections come, wait and go
  void accept_one(ServingThread& thread);
  UniqueFd accept_connection(int& os_errno) const;
  bool peer_may_connect(int socket);
  void arm_listener() noexcept;
  void pause_accepting(int os_errno);
  static bool is_due(std::atomic<std::int64_t>& last_warning);
  Connection& admit(UniqueFd socket);
  Deadline silence_ends();
  void drop_silent();
  void has_greeted(Connection& connection);
  void park(Connection& connection, os::Interest interest);
  void close(Connection& connection);
  void finish_drain_if_empty();

  // conversation.cpp: what is said on one of them
  enum class Next {
    Look,  ///< more may be here already
    Rest,  ///< the child has to read the answer before it says more
    Close,
  };
  void advance(Connection& connection, Permit permit, ServingThread& thread);
  Next handle_frame(Connection& connection, const channel::Frame& frame, Permit& permit,
                    ServingThread& thread);
  Next greet(Connection& connection, const channel::Frame& frame);
  Next start_request(Connection& connection, const channel::Frame& frame, Permit& permit,
                     ServingThread& thread);
  Next run_request(Connection& connection, Session& session, Permit& permit, ServingThread& thread);
  void note_script(const wsgi::ScriptRef& script, ServingThread& thread);
  void count_request();
  void log_failure(const Error& error);

  const DispatcherSettings settings_;
  const int listener_;
  const Application& application_;
  scoreboard::Board& board_;
  scoreboard::WorkerSlot& slot_;
  DispatcherEvents& events_;
  LogSink& log_;
  os::Poller poller_;
  os::Event drained_;
  Permits permits_;
  std::atomic<bool> draining_ = false;
  std::atomic<std::int64_t> executed_ = 0;
  std::atomic<std::int64_t> last_accept_warning_ = 0;
  std::atomic<std::uint64_t> last_request_ = 0;  ///< the id of

  std::atomic<std::int64_t> last_silence_warning_ = 0;
  std::atomic<std::size_t> unreported_silent_ = 0;  ///< closed since that warning

  std::mutex table_mutex_;  ///< guards the members below, and parking against begin_drain()
  std::unordered_map<Connection*, std::unique_ptr<Connection>> connections_;
  /// During a drain the poller may report a connection twice; the memory stays for the loser.
  std::vector<std::unique_ptr<Connection>> closed_in_drain_;
  std::vector<Connection*> silent_;  ///< have not said Hello; the oldest first

  std::mutex scripts_mutex_;                          ///< guards the member below
  std::map<std::string, Clock::time_point> scripts_;  ///< and when each is to be reported again
};

/// One permit, or none; given back when it goes out of scope.
class Dispatcher::Permit {
 public:
  explicit Permit(Dispatcher& from) noexcept : from_(from) {}
  Permit(Permit&& other) noexcept : from_(other.from_), held_(std::exchange(other.held_, false)) {}
  Permit& operator=(Permit&&) = delete;
  ~Permit() { give_back(); }

  bool held() const noexcept { return held_; }
  bool try_take() noexcept { return held_ = held_ || from_.permits_.try_take(); }
  void give_back() noexcept {
    if (std::exchange(held_, false) && from_.permits_.give_back()) from_.arm_listener();
  }

 private:
  Dispatcher& from_;
  bool held_ = false;
};

}  // namespace wsgix::daemon

// SPDX-License-Identifier: Apache-2.0
// daemon/conversation.cpp: what one connection's frames lead to, on the thread that owns it.
#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "dispatcher.hpp"
#include "wsgix/os/random.hpp"

namespace wsgix::daemon {

using wire::Due;
using wire::FrameType;

void Dispatcher::advance(Connection& connection, Permit permit, ServingThread& thread) {
  channel::Channel& channel = connection.channel;
  for (Next next = Next::Look;;) {
    const auto flushed = channel.try_flush();
    if (!flushed) return close(connection);  // the child has gone, and with it who could care
    if (!*flushed) return park(connection, os::Interest::Writable);
    if (connection.closing) return close(connection);
    if (draining_) {
      // Whatever the child has sent and we have not started is covered by this word.
      channel.queue(FrameType::Closing);
      connection.closing = true;
      continue;
    }
    std::optional<channel::Frame> frame;
    if (next == Next::Look || channel.has_buffered_frame()) {
      const auto received = channel.try_receive();
      if (!received) {
        if (received.error().code != ErrorCode::PeerClosed) log_failure(received.error());
        return close(connection);
      }
      frame = *received;
    }
    if (!frame) {
      // Before the next request can come in, or it would be told that we are busy.
      permit.give_back();
      return park(connection, os::Interest::Readable);
    }
    next = handle_frame(connection, *frame, permit, thread);
    if (next == Next::Close) return close(connection);
  }
}

Dispatcher::Next Dispatcher::handle_frame(Connection& connection, const channel::Frame& frame,
                                          Permit& permit, ServingThread& thread) {
  if (const auto fits = connection.intake.take(frame.request, frame.type); !fits) {
    log_failure(fits.error());
    return Next::Close;
  }
  if (frame.type == FrameType::Hello) return greet(connection, frame);
  // What else may come now is the rest of a body whose request has been answered.
  if (frame.type != FrameType::RequestHead) return Next::Look;
  connection.channel.begin_request(frame.request);
  return start_request(connection, frame, permit, thread);
}

Dispatcher::Next Dispatcher::greet(Connection& connection, const channel::Frame& frame) {
  const auto hello = wire::decode_hello(frame.payload);
  if (!hello) {
    log_failure(hello.error());
    return Next::Close;
  }
  if (!os::equal_in_constant_time(hello->token, settings_.token)) {
    log_failure({ErrorCode::PeerNotTrusted, "a process with the wrong token connected"});
    return Next::Close;
  }
  has_greeted(connection);
  return Next::Look;
}

Dispatcher::Next Dispatcher::start_request(Connection& connection, const channel::Frame& frame,
                                           Permit& permit, ServingThread& thread) {
  Session session(++last_request_, connection.channel, connection.intake, settings_.patience, log_,
                  thread.scratch, {thread.slot, slot_});
  if (const auto opened = session.open(frame.payload); !opened) {
    log_failure(opened.error());
    return Next::Close;
  }
  const bool waited = std::exchange(connection.from_backlog, false);
  if (!permit.try_take()) {
    connection.channel.queue(FrameType::Busy);
  } else {
    if (waited && connection.channel.peer_is_gone()) return Next::Close;
    if (const Next next = run_request(connection, session, permit, thread); next == Next::Close) {
      return next;
    }
  }
  return connection.intake.due() == Due::Body ? Next::Look : Next::Rest;
}

/// While it lives, others see the request and the watchdog looks after it.
class Dispatcher::Running {
 public:
  Running(Dispatcher& dispatcher, Session& session, ServingThread& thread)
      : dispatcher_(dispatcher), session_(session), thread_slot_(thread.slot) {
    const wire::RequestHead& head = session.head();
    dispatcher_.slot_.busy.fetch_add(1, std::memory_order_relaxed);
    thread_slot_.begin(session.id(), session.environ("REQUEST_METHOD"),
                       session.environ("REQUEST_URI"), head.deadline_us);
    runtime::RequestWatchdog* const watchdog = dispatcher_.settings_.watchdog;
    if (watchdog == nullptr) return;
    const Deadline deadline = deadline_of(head);
    if (deadline == kNever && !watchdog->watches_clients()) return;
    watchdog->enroll(session.id(), deadline, session);
    enrolled_ = true;
  }
  Running(const Running&) = delete;
  Running& operator=(const Running&) = delete;
  ~Running() {
    if (enrolled_) dispatcher_.settings_.watchdog->withdraw(session_.id());
    thread_slot_.end();
    dispatcher_.slot_.busy.fetch_sub(1, std::memory_order_relaxed);
  }

 private:
  Deadline deadline_of(const wire::RequestHead& head) const {
    const Clock::duration limit = dispatcher_.settings_.interrupt_after;
    const Deadline groups = limit > Clock::duration::zero() ? after(limit) : kNever;
    if (head.deadline_us == 0) return groups;
    return std::min(groups, Deadline(std::chrono::microseconds(head.deadline_us)));
  }

  Dispatcher& dispatcher_;
  Session& session_;
  scoreboard::HeldThreadSlot& thread_slot_;
  bool enrolled_ = false;
};

Dispatcher::Next Dispatcher::run_request(Connection& connection, Session& session, Permit& permit,
                                         ServingThread& thread) {
  Session::Ending ending{};
  {
    const Running running(*this, session, thread);
    ending = session.run(application_);
  }
  // Only now: new workers must not be made to load what has never worked.
  if (session.has_loaded()) note_script(session.head().script, thread);
  if (ending != Session::Ending::Stale) count_request();

  // Before the answer leaves: its reader's next request must find the permit free.
  permit.give_back();
  if (ending == Session::Ending::Broken) return Next::Close;
  if (ending == Session::Ending::Stale) {
    connection.channel.queue(FrameType::Closing);
    connection.closing = true;
    if (begin_drain()) events_.script_is_stale();
  }
  return Next::Rest;
}

/// The same thread mostly serves the same script: then this is one comparison.
void Dispatcher::note_script(const wsgi::ScriptRef& script, ServingThread& thread) {
  constexpr std::size_t kMostScripts = 256;           // more would only be a hint the less useful
  constexpr std::chrono::minutes kBetweenReports{1};  // of one script
  const wsgi::ScriptRef configured = wsgi::as_configured(script);
  std::string& key = thread.scratch.script_key;
  key.clear();
  wsgi::encode(configured, key);
  const auto now = Clock::now();
  if (script.path.empty() || (key == thread.last_script && now < thread.script_is_due)) return;
  thread.last_script = key;
  {
    const std::lock_guard lock(scripts_mutex_);
    if (scripts_.size() >= kMostScripts && scripts_.count(key) == 0) return;
    const auto [known, is_new] = scripts_.try_emplace(key, now);
    thread.script_is_due = known->second;
    if (!is_new && now < known->second) return;
    thread.script_is_due = known->second = now + kBetweenReports;
  }
  wsgi::OwnedScriptRef used = wsgi::owned(configured);
  used.modified_us = script.modified_us;
  events_.script_is_used(used);
}

void Dispatcher::count_request() {
  slot_.requests.fetch_add(1, std::memory_order_relaxed);
  const std::int64_t executed = executed_.fetch_add(1) + 1;
  if (executed == settings_.maximum_requests) events_.request_limit_reached();
}

void Dispatcher::log_failure(const Error& error) {
  Error named = error;
  named.what = fmt::format("group '{}': connection from httpd: {}", settings_.group, error.what);
  log_.write(LogLevel::Error, named);
}

}  // namespace wsgix::daemon

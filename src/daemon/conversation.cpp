// SPDX-License-Identifier: Apache-2.0
// daemon/conversation.cpp: what one connection's frames lead to, on the thread that owns it.
#include <fmt/format.h>

#include <algorithm>

#include "dispatcher.hpp"
#include "wsgix/os/random.hpp"

namespace wsgix::daemon {

using wire::FrameType;
using Phase = Connection::Phase;

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
  switch (connection.phase) {
    case Phase::AwaitsHello: return greet(connection, frame);
    case Phase::Discarding: return discard(connection, frame);
    case Phase::Idle: break;
  }
  if (frame.type == FrameType::RequestHead) {
    return start_request(connection, frame, permit, thread);
  }
  // It crossed the answer to a request whose body was never asked for.
  if (frame.type == FrameType::RequestAbort) return Next::Look;
  return refuse(frame, "no request was open");
}

Dispatcher::Next Dispatcher::greet(Connection& connection, const channel::Frame& frame) {
  if (frame.type != FrameType::Hello) return refuse(frame, "Hello was due");
  const auto hello = wire::decode_hello(frame.payload);
  if (!hello) {
    log_failure(hello.error());
    return Next::Close;
  }
  if (!os::equal_in_constant_time(hello->token, settings_.token)) {
    log_failure({ErrorCode::PeerNotTrusted, "a process with the wrong token connected"});
    return Next::Close;
  }
  connection.phase = Phase::Idle;
  return Next::Look;
}

Dispatcher::Next Dispatcher::discard(Connection& connection, const channel::Frame& frame) {
  switch (frame.type) {
    case FrameType::RequestBody: return Next::Look;
    case FrameType::RequestEnd:
    case FrameType::RequestAbort: connection.phase = Phase::Idle; return Next::Look;
    default: return refuse(frame, "the rest of a request body was due");
  }
}

Dispatcher::Next Dispatcher::start_request(Connection& connection, const channel::Frame& frame,
                                           Permit& permit, ServingThread& thread) {
  Session session(++last_request_, connection.channel, settings_.patience, log_, thread.scratch,
                  {thread.place, slot_});
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
  connection.phase = session.body_is_open() ? Phase::Discarding : Phase::Idle;
  return connection.phase == Phase::Idle ? Next::Rest : Next::Look;
}

/// While it lives, others see the request and the attendant looks after it.
class Dispatcher::Running {
 public:
  Running(Dispatcher& dispatcher, Session& session, ServingThread& thread)
      : dispatcher_(dispatcher), session_(session), place_(thread.place) {
    const wire::RequestHead& head = session.head();
    dispatcher_.slot_.busy.fetch_add(1, std::memory_order_relaxed);
    place_.begin(session.id(), session.environ("REQUEST_METHOD"), session.environ("REQUEST_URI"),
                 head.deadline_us);
    runtime::Attendant* const attendant = dispatcher_.settings_.attendant;
    if (attendant == nullptr) return;
    const Deadline deadline = deadline_of(head);
    if (deadline == kNever && !attendant->watches_clients()) return;
    attendant->enroll(session.id(), deadline, session);
    enrolled_ = true;
  }
  Running(const Running&) = delete;
  Running& operator=(const Running&) = delete;
  ~Running() {
    if (enrolled_) dispatcher_.settings_.attendant->withdraw(session_.id());
    place_.end();
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
  scoreboard::ThreadPlace& place_;
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
  if (session.has_loaded()) note_script(session.head(), thread);
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
void Dispatcher::note_script(const wire::RequestHead& head, ServingThread& thread) {
  constexpr std::size_t kMostScripts = 256;           // more would only be a hint the less useful
  constexpr std::chrono::minutes kBetweenReports{1};  // of one script
  const bool rolling = (head.flags & wire::RequestHead::kRolling) != 0;
  const bool reloading = (head.flags & wire::RequestHead::kReloading) != 0;
  std::string& key = thread.scratch.script_key;
  key.assign(1, rolling ? 'R' : reloading ? 'O' : '-');
  for (const std::string_view part : {head.script, head.application_group, head.callable}) {
    key.append(part).push_back('\0');
  }
  const auto now = Clock::now();
  if (head.script.empty() || (key == thread.last_script && now < thread.script_is_due)) return;
  thread.last_script = key;
  {
    const std::lock_guard lock(scripts_mutex_);
    if (scripts_.size() >= kMostScripts && scripts_.count(key) == 0) return;
    const auto [script, is_new] = scripts_.try_emplace(key, now);
    thread.script_is_due = script->second;
    if (!is_new && now < script->second) return;
    thread.script_is_due = script->second = now + kBetweenReports;
  }
  events_.script_is_used({std::string(head.script), std::string(head.application_group),
                          std::string(head.callable), rolling, reloading,
                          std::max<std::int64_t>(head.script_modified_us, 0)});
}

void Dispatcher::count_request() {
  slot_.requests.fetch_add(1, std::memory_order_relaxed);
  const std::int64_t executed = executed_.fetch_add(1) + 1;
  if (executed == settings_.maximum_requests) events_.request_limit_reached();
}

Dispatcher::Next Dispatcher::refuse(const channel::Frame& frame, const char* state) {
  log_failure(
      {ErrorCode::UnexpectedFrame, fmt::format("{} while {}", wire::to_string(frame.type), state)});
  return Next::Close;
}

void Dispatcher::log_failure(const Error& error) {
  Error named = error;
  named.what = fmt::format("group '{}': connection from httpd: {}", settings_.group, error.what);
  log_.write(LogLevel::Error, named);
}

}  // namespace wsgix::daemon

// SPDX-License-Identifier: Apache-2.0
#include "dispatcher.hpp"

#include <fmt/format.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <optional>
#include <thread>

#include "wsgix/os/forked_copies.hpp"
#include "wsgix/os/sockets.hpp"
#include "wsgix/os/thread.hpp"

namespace wsgix::daemon {
namespace {

constexpr milliseconds kAcceptPause{100};
constexpr seconds kBetweenWarnings{10};
/// A child says Hello with its first write: who does not is none, and so many are looked at.
constexpr seconds kLongestSilence{5};
constexpr std::size_t kMostSilent = 64;

}  // namespace

Result<std::unique_ptr<Dispatcher>> Dispatcher::create(DispatcherSettings settings, int listener,
                                                       const Application& application,
                                                       scoreboard::Board& board,
                                                       DispatcherEvents& events, LogSink& log) {
  auto poller = os::Poller::create();
  if (!poller) return failed(poller);
  auto drained = os::Event::create();
  if (!drained) return failed(drained);
  return std::unique_ptr<Dispatcher>(new Dispatcher(std::move(settings), listener, application,
                                                    board, events, log, std::move(*poller),
                                                    std::move(*drained)));
}

Result<void> Dispatcher::accept_connections() {
  // The listener's subject is the dispatcher itself: no connection has that address.
  return poller_.add(listener_, os::Interest::Readable, this);
}

Dispatcher::Dispatcher(DispatcherSettings settings, int listener, const Application& application,
                       scoreboard::Board& board, DispatcherEvents& events, LogSink& log,
                       os::Poller poller, os::Event drained)
    : settings_(std::move(settings)),
      listener_(listener),
      application_(application),
      board_(board),
      slot_(board.workers[settings_.slot]),
      events_(events),
      log_(log),
      poller_(std::move(poller)),
      drained_(std::move(drained)),
      permits_(settings_.threads) {}

void Dispatcher::serve() {
  ServingThread thread{
      {}, {board_, static_cast<std::uint32_t>(::getpid()), os::thread_number()}, {}};
  while (const std::optional<void*> subject = poller_.wait(silence_ends())) {
    if (*subject == nullptr) {
      drop_silent();
      continue;
    }
    if (*subject == this) {
      accept_one(thread);
      continue;
    }
    auto& connection = *static_cast<Connection*>(*subject);
    if (connection.take()) advance(connection, Permit(*this), thread);
  }
}

// ---- coming ----

void Dispatcher::accept_one(ServingThread& thread) {
  if (draining_) return;
  Permit permit(*this);
  if (!permit.try_take()) {
    // Whoever gives a permit back arms the listener.
    if (permits_.await_one()) arm_listener();
    return;
  }
  int os_errno = 0;
  UniqueFd socket = accept_connection(os_errno);
  if (!socket && os_errno != EAGAIN && os_errno != EINTR && os_errno != ECONNABORTED) {
    pause_accepting(os_errno);
  }
  arm_listener();
  if (!socket || !peer_may_connect(socket.get())) return;

  Connection& connection = admit(std::move(socket));
  drop_silent();
  const wire::Welcome welcome{static_cast<std::uint32_t>(::getpid()), settings_.slot};
  if (const auto queued = connection.channel.queue(wire::FrameType::Welcome, welcome); !queued) {
    log_failure(queued.error());
  }
  advance(connection, std::move(permit), thread);
}

/// A copy that is forked in between would keep the connection open, unknown to everybody.
UniqueFd Dispatcher::accept_connection(int& os_errno) const {
  const os::NoForkMeanwhile until_owned;
  UniqueFd socket(::accept4(listener_, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
  os_errno = errno;
  if (socket) {
    os::set_buffer_sizes(socket.get(), settings_.send_buffer_size, settings_.receive_buffer_size);
  }
  return socket;
}

bool Dispatcher::peer_may_connect(int socket) {
  const auto peer = os::peer_of(socket);
  if (!peer) {
    log_.write(LogLevel::Error, peer.error());
    return false;
  }
  if (peer->uid == settings_.peer_uid || peer->uid == 0 || peer->uid == ::geteuid()) return true;
  log_failure({ErrorCode::PeerNotTrusted,
               fmt::format("process {} of uid {} connected", peer->pid, peer->uid)});
  return false;
}

void Dispatcher::arm_listener() noexcept {
  // After begin_drain() it is no longer in the poller, and this does nothing.
  poller_.rearm(listener_, os::Interest::Readable, this);
}

/// Out of descriptors or memory: trying again at once would only burn the processor.
void Dispatcher::pause_accepting(int os_errno) {
  if (is_due(last_accept_warning_)) {
    log_.write(LogLevel::Error,
               Error{ErrorCode::CannotOpenDescriptor,
                     fmt::format("group '{}': accept", settings_.group), os_errno});
  }
  std::this_thread::sleep_for(kAcceptPause);
}

Connection& Dispatcher::admit(UniqueFd socket) {
  auto owned = std::make_unique<Connection>(std::move(socket));
  Connection& connection = *owned;
  connection.channel.limit_payload(wire::kTokenBytes);
  const std::lock_guard lock(table_mutex_);
  silent_.push_back(&connection);
  connections_.emplace(&connection, std::move(owned));
  return connection;
}

void Dispatcher::has_greeted(Connection& connection) {
  connection.channel.limit_payload(wire::kMaxPayloadBytes);
  connection.channel.limit_heads(settings_.head_limit);
  const std::lock_guard lock(table_mutex_);
  std::erase(silent_, &connection);
}

Deadline Dispatcher::silence_ends() {
  const std::lock_guard lock(table_mutex_);
  return silent_.empty() ? kNever : silent_.front()->since + kLongestSilence;
}

/// Whoever owns such a connection, a thread or the poller, sees its end and closes it.
void Dispatcher::drop_silent() {
  std::size_t dropped = 0;
  {
    const std::lock_guard lock(table_mutex_);
    const Deadline now = Clock::now();
    const auto may_stay = [&](const Connection* silent) {
      return now < silent->since + kLongestSilence && silent_.size() - dropped <= kMostSilent;
    };
    while (dropped < silent_.size() && !may_stay(silent_[dropped])) {
      ::shutdown(silent_[dropped++]->channel.fd(), SHUT_RDWR);
    }
    silent_.erase(silent_.begin(), silent_.begin() + static_cast<std::ptrdiff_t>(dropped));
  }
  unreported_silent_ += dropped;
  if (dropped == 0 || !is_due(last_silence_warning_)) return;
  log_failure({ErrorCode::PeerNotTrusted,
               fmt::format("{} connections are closed that did not say who they are within {} s, "
                           "or of which there were more than {}",
                           unreported_silent_.exchange(0), kLongestSilence.count(), kMostSilent)});
}

/// For a warning that should not fill the log.
bool Dispatcher::is_due(std::atomic<std::int64_t>& last_warning) {
  const auto now = Clock::now().time_since_epoch() / milliseconds(1);
  auto last = last_warning.load();
  const bool due = last == 0 || now - last > kBetweenWarnings / milliseconds(1);
  return due && last_warning.compare_exchange_strong(last, now);
}

// ---- waiting and going ----

void Dispatcher::park(Connection& connection, os::Interest interest) {
  const int fd = connection.channel.fd();
  bool armed = true;
  {
    const std::lock_guard lock(table_mutex_);
    // begin_drain() has walked past this one already: come back for the Closing at once.
    if (draining_ && interest == os::Interest::Readable) interest = os::Interest::Either;
    const bool known = std::exchange(connection.in_poller, true);
    connection.hold.store(Connection::Hold::Parked);
    armed = known ? poller_.rearm(fd, interest, &connection)
                  : poller_.add(fd, interest, &connection).has_value();
    if (!armed) connection.hold.store(Connection::Hold::Taken);
  }
  if (!armed) close(connection);
}

void Dispatcher::close(Connection& connection) {
  const std::lock_guard lock(table_mutex_);
  std::erase(silent_, &connection);
  const auto found = connections_.find(&connection);
  // A process that the application forked may hold a copy: the child has to see the end all the
  // same.
  ::shutdown(connection.channel.fd(), SHUT_RDWR);
  connection.hold.store(Connection::Hold::Closed);
  if (draining_) {
    connection.channel = channel::Channel(UniqueFd());
    closed_in_drain_.push_back(std::move(found->second));
  }
  connections_.erase(found);
  finish_drain_if_empty();
}

bool Dispatcher::begin_drain() {
  const std::lock_guard lock(table_mutex_);
  if (draining_.exchange(true)) return false;
  poller_.remove(listener_);
  for (const auto& entry : connections_) {
    Connection& connection = *entry.first;
    if (connection.hold.load() != Connection::Hold::Parked) continue;
    poller_.rearm(connection.channel.fd(), os::Interest::Either, &connection);
  }
  finish_drain_if_empty();
  return true;
}

void Dispatcher::finish_drain_if_empty() {
  if (!draining_ || !connections_.empty()) return;
  poller_.wake_all();
  drained_.raise();
}

}  // namespace wsgix::daemon

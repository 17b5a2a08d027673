// SPDX-License-Identifier: Apache-2.0
#include "command_socket.hpp"

#include <sys/socket.h>

#include <algorithm>
#include <cerrno>

#include "wsgix/wire/command.hpp"

namespace wsgix::host {
namespace {

bool listens(int fd) noexcept {
  int answer = 0;
  socklen_t size = sizeof answer;
  return fd >= 0 && ::getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &answer, &size) == 0 && answer != 0;
}

bool is_for_later(int os_errno) noexcept {
  return os_errno == EAGAIN || os_errno == EWOULDBLOCK || os_errno == EINTR;
}

}  // namespace

CommandSocket::CommandSocket(UniqueFd listener, Answer answer)
    : listener_(listens(listener.get()) ? std::move(listener) : UniqueFd()),
      answer_(std::move(answer)) {}

void CommandSocket::watch(os::PollSet& set) const {
  if (listener_ && !accepts_again_ && connections_.size() < kMostConnections) {
    set.add(listener_.get(), POLLIN);
  }
  for (const Connection& connection : connections_) {
    const short event = connection.answer.empty() ? POLLIN : POLLOUT;
    set.add(connection.socket.get(), event);
  }
}

Deadline CommandSocket::next_deadline() const noexcept {
  Deadline soonest = accepts_again_.value_or(kNever);
  for (const Connection& connection : connections_) {
    soonest = std::min(soonest, connection.deadline);
  }
  return soonest;
}

void CommandSocket::serve(Deadline now) {
  if (accepts_again_ && *accepts_again_ <= now) accepts_again_.reset();
  accept_some(now);
  std::erase_if(connections_, [&](Connection& connection) {
    return advance(connection) == Progress::Finished || connection.deadline <= now;
  });
}

void CommandSocket::stop_listening() noexcept {
  listener_.reset();
  accepts_again_.reset();
}

void CommandSocket::close() noexcept {
  stop_listening();
  connections_.clear();
}

void CommandSocket::accept_some(Deadline now) {
  while (listener_ && !accepts_again_ && connections_.size() < kMostConnections) {
    UniqueFd socket(::accept4(listener_.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
    if (!socket) {
      // Without a descriptor for it the connection stays, and poll(2) would return at once for
      // ever.
      if (!is_for_later(errno)) accepts_again_ = now + kPauseAfterFailure;
      return;
    }
    ucred peer{};
    socklen_t size = sizeof peer;
    if (::getsockopt(socket.get(), SOL_SOCKET, SO_PEERCRED, &peer, &size) != 0) continue;
    connections_.push_back({std::move(socket), {peer.pid, peer.uid}, now + kPatience, {}, {}});
  }
}

CommandSocket::Progress CommandSocket::advance(Connection& connection) const {
  if (connection.answer.empty() && receive_line(connection) == Progress::Waits) {
    return Progress::Waits;
  }
  while (!connection.answer.empty()) {
    const ssize_t sent = ::send(connection.socket.get(), connection.answer.data(),
                                connection.answer.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent < 0) return is_for_later(errno) ? Progress::Waits : Progress::Finished;
    connection.answer.erase(0, static_cast<std::size_t>(sent));
  }
  return Progress::Finished;
}

/// Finished: the answer is there, or there will never be a line.
CommandSocket::Progress CommandSocket::receive_line(Connection& connection) const {
  char piece[wire::kMaxCommandBytes];
  const ssize_t count = ::recv(connection.socket.get(), piece, sizeof piece, MSG_DONTWAIT);
  if (count < 0) return is_for_later(errno) ? Progress::Waits : Progress::Finished;
  connection.line.append(piece, static_cast<std::size_t>(count));

  const std::size_t end = connection.line.find('\n');
  const bool is_over = end != std::string::npos || connection.line.size() > wire::kMaxCommandBytes;
  // The end of the stream ends a line too.
  if (!is_over && (count > 0 || connection.line.empty())) {
    return count > 0 ? Progress::Waits : Progress::Finished;
  }
  const std::string_view line = std::string_view(connection.line).substr(0, end);
  connection.answer = answer_(line, connection.peer) + '\n';
  return Progress::Finished;
}

}  // namespace wsgix::host

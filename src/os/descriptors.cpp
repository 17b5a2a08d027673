// SPDX-License-Identifier: Apache-2.0
#include "wsgix/os/descriptors.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>

namespace wsgix::os {

Result<Pipe> make_pipe() {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC | O_NONBLOCK) != 0) {
    return failed(ErrorCode::CannotOpenDescriptor, "create a pipe", errno);
  }
  return Pipe{UniqueFd(ends[0]), UniqueFd(ends[1])};
}

Result<Pipe> make_output_pipe() {
  auto pipe = make_pipe();
  if (pipe && ::fcntl(pipe->write_end.get(), F_SETFL, 0) != 0) {
    return failed(ErrorCode::SystemCallFailed, "make the end of a pipe blocking", errno);
  }
  return pipe;
}

Result<SocketPair> make_message_pair() {
  int ends[2];
  if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) != 0) {
    return failed(ErrorCode::CannotOpenDescriptor, "create a socket pair", errno);
  }
  return SocketPair{UniqueFd(ends[0]), UniqueFd(ends[1])};
}

bool is_open(int fd) noexcept { return ::fcntl(fd, F_GETFD) >= 0; }

Result<void> set_close_on_exec(int fd) {
  if (::fcntl(fd, F_SETFD, FD_CLOEXEC) != 0) {
    return failed(ErrorCode::SystemCallFailed,
                  "set close-on-exec on descriptor " + std::to_string(fd), errno);
  }
  return {};
}

void close_from(int first) noexcept {
  if (::close_range(static_cast<unsigned>(first), ~0u, 0) == 0) return;
  // Linux before 5.9.
  const long most = ::sysconf(_SC_OPEN_MAX);
  for (int fd = first; fd < (most > 0 ? most : 1024); ++fd) ::close(fd);
}

bool has_ended(int pipe) noexcept {
  pollfd watched{pipe, POLLIN, 0};
  if (::poll(&watched, 1, 0) <= 0) return false;
  return (watched.revents & (POLLHUP | POLLERR | POLLNVAL)) != 0 && (watched.revents & POLLIN) == 0;
}

}  // namespace wsgix::os

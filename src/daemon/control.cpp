// SPDX-License-Identifier: Apache-2.0
#include "wsgix/daemon/control.hpp"

#include <sys/socket.h>

#include <cerrno>
#include <cstddef>

namespace wsgix::daemon {
namespace {

constexpr std::uint8_t kRetire = 1;
constexpr int kFlags = MSG_DONTWAIT | MSG_NOSIGNAL;

/// The bytes of one message; 0 when none is there.
Result<std::size_t> receive(int control, std::uint8_t* bytes, std::size_t size) {
  for (;;) {
    const ssize_t count = ::recv(control, bytes, size, kFlags | MSG_TRUNC);
    if (count > 0) return static_cast<std::size_t>(count);
    const int os_errno = count == 0 ? 0 : errno;
    if (os_errno == EAGAIN) return std::size_t{0};
    if (os_errno != EINTR) return failed(ErrorCode::PeerClosed, "control socket", os_errno);
  }
}

Failed nonsense() {
  return failed(ErrorCode::UnexpectedFrame, "control socket: a message nobody sends");
}

}  // namespace

void send_report(int control, WorkerReport report) noexcept {
  const std::uint8_t bytes[] = {static_cast<std::uint8_t>(report.report),
                                static_cast<std::uint8_t>(report.cause)};
  while (::send(control, bytes, sizeof bytes, kFlags) < 0 && errno == EINTR) {
  }
}

void send_retire(int control) noexcept {
  while (::send(control, &kRetire, sizeof kRetire, kFlags) < 0 && errno == EINTR) {
  }
}

Result<std::optional<WorkerReport>> receive_report(int control) {
  std::uint8_t bytes[2] = {};
  const Result<std::size_t> size = receive(control, bytes, sizeof bytes);
  if (!size) return failed(size);
  if (*size == 0) return std::nullopt;
  // The worker runs foreign code: believe nothing about the bytes.
  if (*size != sizeof bytes || bytes[0] < 1 || bytes[0] > 3 || bytes[1] > 4) return nonsense();
  return WorkerReport{static_cast<Report>(bytes[0]), static_cast<Cause>(bytes[1])};
}

Result<bool> receive_retire(int control) {
  std::uint8_t byte = 0;
  const Result<std::size_t> size = receive(control, &byte, sizeof byte);
  if (!size) return failed(size);
  if (*size == 0) return false;
  if (*size != sizeof byte || byte != kRetire) return nonsense();
  return true;
}

}  // namespace wsgix::daemon

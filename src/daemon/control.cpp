// SPDX-License-Identifier: Apache-2.0
#include "wsgix/daemon/control.hpp"

#include <sys/socket.h>

#include <cerrno>
#include <cstddef>
#include <string>

namespace wsgix::daemon {
namespace {

constexpr int kFlags = MSG_DONTWAIT | MSG_NOSIGNAL;
/// Report, cause, and for UsesScript the script.
constexpr std::size_t kFixedBytes = 2;
constexpr std::size_t kMostBytes = 16 * 1024;

/// The bytes of one message; 0 when none is there.
Result<std::size_t> receive(int control, char* bytes, std::size_t size) {
  for (;;) {
    const ssize_t count = ::recv(control, bytes, size, kFlags | MSG_TRUNC);
    if (count > 0) return static_cast<std::size_t>(count);
    const int os_errno = count == 0 ? 0 : errno;
    if (os_errno == EAGAIN) return std::size_t{0};
    if (os_errno != EINTR) return failed(ErrorCode::PeerClosed, "control socket", os_errno);
  }
}

void send_bytes(int control, std::string_view bytes) noexcept {
  while (::send(control, bytes.data(), bytes.size(), kFlags) < 0 && errno == EINTR) {
  }
}

Failed nonsense() {
  return failed(ErrorCode::UnexpectedFrame, "control socket: a message nobody sends");
}

}  // namespace

void send_report(int control, const WorkerReport& report) noexcept {
  try {
    std::string bytes = {static_cast<char>(report.report), static_cast<char>(report.cause)};
    if (report.report == Report::UsesScript) wsgi::encode(report.script, bytes);
    if (bytes.size() <= kMostBytes) send_bytes(control, bytes);
  } catch (const std::exception&) {
    // No memory for a hint: the supervisor does without it.
  }
}

void send_word(int control, Word word) noexcept {
  const char byte = static_cast<char>(word);
  send_bytes(control, {&byte, 1});
}

Result<std::optional<WorkerReport>> receive_report(int control) {
  char bytes[kMostBytes];
  const Result<std::size_t> size = receive(control, bytes, sizeof bytes);
  if (!size) return failed(size);
  if (*size == 0) return std::nullopt;
  // The worker runs foreign code: believe nothing about the bytes.
  if (*size < kFixedBytes || *size > sizeof bytes) return nonsense();
  const auto report = static_cast<std::uint8_t>(bytes[0]);
  const auto cause = static_cast<std::uint8_t>(bytes[1]);
  if (report < static_cast<std::uint8_t>(Report::Ready) ||
      report > static_cast<std::uint8_t>(Report::UsesScript) ||
      cause > static_cast<std::uint8_t>(Cause::CpuTimeLimit)) {
    return nonsense();
  }
  WorkerReport said{static_cast<Report>(report), static_cast<Cause>(cause), {}};
  const std::string_view rest(bytes + kFixedBytes, *size - kFixedBytes);
  if (said.report != Report::UsesScript) {
    if (!rest.empty()) return nonsense();
    return said;
  }
  const auto script = wsgi::decode_script(rest);
  if (!script || script->path.empty()) return nonsense();
  said.script = wsgi::owned(*script);
  return said;
}

Result<std::optional<Word>> receive_word(int control) {
  char byte = 0;
  const Result<std::size_t> size = receive(control, &byte, sizeof byte);
  if (!size) return failed(size);
  if (*size == 0) return std::nullopt;
  const auto word = static_cast<std::uint8_t>(byte);
  const bool is_known = word >= static_cast<std::uint8_t>(Word::Retire) &&
                        word <= static_cast<std::uint8_t>(Word::WriteStacks);
  if (*size != sizeof byte || !is_known) return nonsense();
  return static_cast<Word>(word);
}

}  // namespace wsgix::daemon

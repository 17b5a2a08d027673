// SPDX-License-Identifier: Apache-2.0
#include "control_sockets.hpp"

#include <fmt/format.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <optional>
#include <system_error>

#include "wsgix/channel/channel.hpp"

namespace wsgix::cli {
namespace {

namespace fs = std::filesystem;
using Kind = Reply::Kind;

constexpr std::string_view kSuffix = ".ctl";
constexpr int kPauseMs = 20;
constexpr std::size_t kPieceBytes = 65536;

/// A full backlog means that the host is busy with others: that passes.
Result<UniqueFd> connect_in_time(const std::string& path, Deadline deadline) {
  for (;;) {
    Result<UniqueFd> socket = channel::connect_to(path);
    if (socket || socket.error().os_errno != EAGAIN || Clock::now() >= deadline) return socket;
    ::poll(nullptr, 0, kPauseMs);
  }
}

bool wait_for(int socket, short event, Deadline deadline) {
  pollfd watched{socket, event, 0};
  int ready = 0;
  while ((ready = ::poll(&watched, 1, poll_timeout(deadline))) < 0 && errno == EINTR) {
  }
  return ready > 0;
}

bool send_line(int socket, std::string_view line, Deadline deadline) {
  while (!line.empty()) {
    const ssize_t sent = ::send(socket, line.data(), line.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent > 0) line.remove_prefix(static_cast<std::size_t>(sent));
    if (sent < 0 && (errno != EAGAIN || !wait_for(socket, POLLOUT, deadline))) return false;
  }
  return true;
}

std::optional<std::string> receive_line(int socket, Deadline deadline) {
  std::string line;
  std::vector<char> piece(kPieceBytes);
  while (line.size() <= wire::kMaxAnswerBytes && wait_for(socket, POLLIN, deadline)) {
    const ssize_t count = ::recv(socket, piece.data(), piece.size(), MSG_DONTWAIT);
    if (count < 0 && (errno == EAGAIN || errno == EINTR)) continue;
    if (count <= 0) return std::nullopt;
    line.append(piece.data(), static_cast<std::size_t>(count));
    if (line.back() != '\n') continue;
    line.pop_back();
    return line;
  }
  return std::nullopt;
}

Kind kind_of(int connect_errno) noexcept {
  switch (connect_errno) {
    case ECONNREFUSED:
    case ENOENT: return Kind::Stale;
    case EACCES:
    case EPERM: return Kind::Forbidden;
    default: return Kind::Silent;
  }
}

Outcome<void> no_folder(const fs::path& folder, const std::error_code& why) {
  if (why == std::errc::no_such_file_or_directory) return {};
  const bool is_closed = why == std::errc::permission_denied;
  return problem(
      is_closed ? kNotPermitted : kFailed,
      fmt::format("{}: {}{}", folder.string(), why.message(), is_closed ? "; try it as root" : ""));
}

}  // namespace

Outcome<std::vector<std::string>> control_sockets(const std::string& prefix) {
  const fs::path path(prefix);
  const fs::path folder = path.has_parent_path() ? path.parent_path() : fs::path(".");
  const std::string begin = path.filename().string() + ".";
  std::vector<std::string> found;
  std::error_code why;
  for (fs::directory_iterator entry(folder, why), end; !why && entry != end; entry.increment(why)) {
    const std::string name = entry->path().filename().string();
    if (name.starts_with(begin) && name.ends_with(kSuffix)) found.push_back(entry->path().string());
  }
  if (why) {
    if (auto tolerable = no_folder(folder, why); !tolerable) {
      return tl::unexpected(tolerable.error());
    }
  }
  std::sort(found.begin(), found.end());
  return found;
}

Reply ask(const std::string& path, wire::Command command, Clock::duration patience) {
  const Deadline deadline = after(patience);
  const auto socket = connect_in_time(path, deadline);
  if (!socket) return {kind_of(socket.error().os_errno), path};
  if (!send_line(socket->get(), wire::encode_command(command) + "\n", deadline)) {
    return {Kind::Silent, path};
  }
  const auto line = receive_line(socket->get(), deadline);
  auto answer = line ? wire::decode_answer(*line) : Result<wire::CommandAnswer>{};
  if (!line || !answer) return {Kind::Silent, path};
  // A host names its group in every answer, unless it does not want to talk to us.
  const bool is_forbidden = answer->status.group.empty() && !answer->refused.empty();
  return {is_forbidden ? Kind::Forbidden : Kind::Answered, path, std::move(*answer)};
}

}  // namespace wsgix::cli

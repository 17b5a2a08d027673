// SPDX-License-Identifier: Apache-2.0
#include "wsgix/os/listener.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <memory>

#include "wsgix/base/scope_exit.hpp"

namespace wsgix::os {
namespace {

sockaddr_un address_of(const std::string& path) noexcept {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, path.c_str(), path.size() + 1);
  return address;
}

const sockaddr* generic(const sockaddr_un& address) noexcept {
  return reinterpret_cast<const sockaddr*>(&address);
}

Failed cannot_create(const std::string& path, const char* step, int os_errno) {
  return failed(ErrorCode::CannotCreateSocket, "socket " + path + ": " + step, os_errno);
}

/// Only a socket that refuses connections is stale: anything else belongs to somebody.
bool is_stale(const std::string& path) noexcept {
  struct stat file {};
  if (path.size() > longest_socket_path()) return false;
  if (::lstat(path.c_str(), &file) != 0 || !S_ISSOCK(file.st_mode)) return false;
  const UniqueFd probe(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!probe) return false;
  const sockaddr_un address = address_of(path);
  return ::connect(probe.get(), generic(address), sizeof address) != 0 && errno == ECONNREFUSED;
}

int bind_privately(int socket, const sockaddr_un& address) noexcept {
  const mode_t before = ::umask(0077);
  const int result = ::bind(socket, generic(address), sizeof address);
  const int os_errno = errno;
  ::umask(before);
  errno = os_errno;
  return result;
}

}  // namespace

std::size_t longest_socket_path() noexcept { return sizeof(sockaddr_un::sun_path) - 1; }

Result<UniqueFd> listen_on(const std::string& path, int backlog,
                           std::optional<std::pair<uid_t, gid_t>> owner) {
  if (path.size() > longest_socket_path()) {
    return failed(ErrorCode::CannotCreateSocket,
                  "socket " + path + ": the path has " + std::to_string(path.size()) +
                      " bytes, the system takes at most " + std::to_string(longest_socket_path()),
                  0, "name a shorter directory with WSGISocketPrefix");
  }
  UniqueFd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!socket) return cannot_create(path, "socket", errno);

  const sockaddr_un address = address_of(path);
  int bound = bind_privately(socket.get(), address);
  if (bound != 0 && errno == EADDRINUSE && is_stale(path)) {
    ::unlink(path.c_str());
    bound = bind_privately(socket.get(), address);
  }
  if (bound != 0) return cannot_create(path, "bind", errno);

  // lchown: were the name swapped for a link meanwhile, the link's target stays whose it is.
  if (owner && ::lchown(path.c_str(), owner->first, owner->second) != 0) {
    const int os_errno = errno;
    ::unlink(path.c_str());
    return cannot_create(path, "chown", os_errno);
  }
  if (::listen(socket.get(), backlog) != 0) {
    const int os_errno = errno;
    ::unlink(path.c_str());
    return cannot_create(path, "listen", os_errno);
  }
  return socket;
}

Result<void> remove_stale_sockets(const std::string& prefix) {
  const std::size_t slash = prefix.rfind('/');
  const std::string folder = slash == std::string::npos ? "." : prefix.substr(0, slash + 1);
  const std::string begin = slash == std::string::npos ? prefix : prefix.substr(slash + 1);

  DIR* const directory = ::opendir(folder.c_str());
  if (directory == nullptr) {
    const int os_errno = errno;
    if (os_errno == ENOENT) return {};
    return failed(ErrorCode::CannotCreateSocket, "directory " + folder + ": open", os_errno);
  }
  const ScopeExit close_it([directory]() noexcept { ::closedir(directory); });

  while (const dirent* entry = ::readdir(directory)) {
    const std::string_view name = entry->d_name;
    if (!name.starts_with(begin)) continue;
    const std::string path =
        slash == std::string::npos ? std::string(name) : folder + std::string(name);
    if (is_stale(path)) ::unlink(path.c_str());
  }
  return {};
}

}  // namespace wsgix::os

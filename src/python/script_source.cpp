// SPDX-License-Identifier: Apache-2.0
#include "script_source.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "obstacle.hpp"
#include "wsgix/base/unique_fd.hpp"

namespace wsgix::python {
namespace {

// A script is source code; whatever is larger is the wrong file.
constexpr std::size_t kMostBytes = 64 * 1024 * 1024;

std::int64_t microseconds(const timespec& at) {
  return static_cast<std::int64_t>(at.tv_sec) * 1'000'000 + at.tv_nsec / 1000;
}

Failed unreadable(const std::string& path, int os_errno) {
  const std::string obstacle = os_errno == EACCES ? obstacle_to_reading(path) : std::string();
  if (!obstacle.empty())
    return failed(ErrorCode::ScriptUnreadable, fmt::format("script {}: {}", path, obstacle));
  if (os_errno == ENOENT || os_errno == ENOTDIR)
    return failed(ErrorCode::ScriptUnreadable, fmt::format("script {} does not exist", path), 0,
                  "put the script there, or correct the path in the configuration");
  return failed(ErrorCode::ScriptUnreadable, fmt::format("script {} cannot be read", path),
                os_errno);
}

}  // namespace

Result<ScriptSource> read_script(const std::string& path) {
  // Not blocking: somebody may have put a pipe there.
  const UniqueFd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  const int open_errno = errno;
  if (!file) return unreadable(path, open_errno);
  struct stat status = {};
  if (::fstat(file.get(), &status) != 0) return unreadable(path, errno);
  if (!S_ISREG(status.st_mode) || static_cast<std::uint64_t>(status.st_size) > kMostBytes) {
    return failed(
        ErrorCode::ScriptUnreadable,
        fmt::format("script {} is not a regular file of at most {} MiB", path, kMostBytes >> 20), 0,
        "name a Python source file in the configuration");
  }

  ScriptSource source;
  source.modified_us = microseconds(status.st_mtim);
  std::size_t size = 0;
  while (true) {
    source.bytes.resize(std::max<std::size_t>(size + 1, static_cast<std::size_t>(status.st_size)));
    const ssize_t got = ::read(file.get(), source.bytes.data() + size, source.bytes.size() - size);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return unreadable(path, errno);
    if (got == 0) break;
    size += static_cast<std::size_t>(got);
    if (size > kMostBytes) return unreadable(path, EFBIG);
  }
  source.bytes.resize(size);
  return source;
}

std::optional<std::int64_t> modification_time_us(const std::string& path) {
  struct stat status = {};
  if (::stat(path.c_str(), &status) != 0) return {};
  return microseconds(status.st_mtim);
}

}  // namespace wsgix::python

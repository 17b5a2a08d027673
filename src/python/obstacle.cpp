// SPDX-License-Identifier: Apache-2.0
#include "obstacle.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <string_view>
#include <system_error>

#include "wsgix/base/accounts.hpp"

namespace wsgix::python {
namespace {

/// 0, or the errno of asking with the effective ids.
int check(const std::string& path, int mode) {
  return ::faccessat(AT_FDCWD, path.c_str(), mode, AT_EACCESS) == 0 ? 0 : errno;
}

std::string obstacle(const std::string& path, std::string_view verb, int os_errno) {
  struct stat status = {};
  if (os_errno != EACCES || ::stat(path.c_str(), &status) != 0) {
    return fmt::format("{}: {}", path, std::generic_category().message(os_errno));
  }
  return describe_refusal(::geteuid(), verb, path, status);
}

}  // namespace

std::string obstacle_to_reading(const std::string& path) {
  // Every directory on the way, from the outside: the first one that is closed is the cause.
  for (std::size_t slash = path.find('/', 1); slash != std::string::npos && slash + 1 < path.size();
       slash = path.find('/', slash + 1)) {
    const std::string directory = path.substr(0, slash);
    struct stat status = {};
    if (::stat(directory.c_str(), &status) != 0) return obstacle(directory, "search", errno);
    if (!S_ISDIR(status.st_mode)) return directory + " is not a directory";
    if (const int os_errno = check(directory, X_OK)) return obstacle(directory, "search", os_errno);
  }
  struct stat status = {};
  if (::stat(path.c_str(), &status) != 0) return obstacle(path, "reach", errno);
  const int mode = S_ISDIR(status.st_mode) ? R_OK | X_OK : R_OK;
  const int os_errno = check(path, mode);
  return os_errno ? obstacle(path, "read", os_errno) : std::string();
}

}  // namespace wsgix::python

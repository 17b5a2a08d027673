// SPDX-License-Identifier: Apache-2.0
// Who may search and read a folder, decided from permission bits for any account.
#include <fcntl.h>
#include <fmt/format.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "wsgix/base/accounts.hpp"
#include "wsgix/runtime/library.hpp"

namespace wsgix::runtime {
namespace {

struct Account {
  std::uint32_t uid;
  std::uint32_t gid;
  const std::vector<std::uint32_t>& supplementary_gids;
};

/// `wanted` in the lowest three bits: 4 read, 1 search. The first class that fits decides.
bool may(const Account& account, const struct stat& status, unsigned wanted) {
  if (account.uid == 0) return true;
  unsigned shift = 0;
  if (status.st_uid == account.uid) {
    shift = 6;
  } else if (status.st_gid == account.gid ||
             std::count(account.supplementary_gids.begin(), account.supplementary_gids.end(),
                        status.st_gid) > 0) {
    shift = 3;
  }
  return ((static_cast<unsigned>(status.st_mode) >> shift) & wanted) == wanted;
}

Failed refused(const Account& account, const std::string& wanted, const std::string& path,
               const struct stat& status, std::string_view verb) {
  return failed(ErrorCode::PythonHomeUnusable,
                fmt::format("{} cannot be used: {}", wanted,
                            describe_refusal(account.uid, verb, path, status)));
}

/// Asks the system, for the account that this process has.
std::string closed_folder(const std::string& path, int links) {
  constexpr int kMostLinks = 16;
  for (std::size_t slash = 0; slash != std::string::npos;) {
    slash = path.find('/', slash + 1);
    const std::string part = path.substr(0, slash);
    struct stat status = {};
    if (::lstat(part.c_str(), &status) != 0) return {};
    if (S_ISLNK(status.st_mode) && links < kMostLinks) {
      std::array<char, PATH_MAX> target = {};
      if (::readlink(part.c_str(), target.data(), target.size() - 1) < 0) return {};
      const std::string beside = part.substr(0, part.rfind('/') + 1);
      std::string closed =
          closed_folder(target[0] == '/' ? target.data() : beside + target.data(), links + 1);
      if (!closed.empty()) return closed;
    } else if (S_ISDIR(status.st_mode) &&
               ::faccessat(AT_FDCWD, part.c_str(), X_OK, AT_EACCESS) != 0 && errno == EACCES) {
      return describe_refusal(::geteuid(), "search", part, status);
    }
  }
  return {};
}

Result<void> check_way(const std::string& path, const Account& account, const std::string& wanted) {
  for (std::size_t slash = 0; slash != std::string::npos; slash = path.find('/', slash + 1)) {
    const std::string directory = slash == 0 ? "/" : path.substr(0, slash);
    struct stat status = {};
    if (::stat(directory.c_str(), &status) != 0)
      return failed(ErrorCode::PythonHomeUnusable, fmt::format("{}: {}", wanted, directory), errno);
    if (!S_ISDIR(status.st_mode))
      return failed(ErrorCode::PythonHomeUnusable,
                    fmt::format("{}: {} is not a directory", wanted, directory));
    if (!may(account, status, 1)) return refused(account, wanted, directory, status, "search");
  }
  struct stat status = {};
  if (::stat(path.c_str(), &status) != 0) return failed(ErrorCode::PythonHomeUnusable, path, errno);
  const unsigned bits = S_ISDIR(status.st_mode) ? 5 : 4;
  if (!may(account, status, bits)) return refused(account, wanted, path, status, "read");
  return {};
}

}  // namespace

std::string closed_folder_on_the_way(const std::string& path) { return closed_folder(path, 0); }

Result<void> check_reachable(const std::string& path, std::uint32_t uid, std::uint32_t gid,
                             const std::vector<std::uint32_t>& supplementary_gids) {
  const Account account{uid, gid, supplementary_gids};
  if (Result<void> way = check_way(path, account, path); !way) return way;
  // A link on the way leads through other directories as well.
  std::array<char, PATH_MAX> resolved = {};
  if (!::realpath(path.c_str(), resolved.data()) || path == resolved.data()) return {};
  return check_way(resolved.data(), account, path);
}

}  // namespace wsgix::runtime

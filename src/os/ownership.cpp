// SPDX-License-Identifier: Apache-2.0
#include "wsgix/os/ownership.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/stat.h>

#include <cerrno>
#include <memory>

#include "wsgix/base/accounts.hpp"
#include "wsgix/base/unique_fd.hpp"

namespace wsgix::os {
namespace {

#ifdef O_PATH
constexpr int kLookOnly = O_PATH | O_CLOEXEC;
#else
constexpr int kLookOnly = O_RDONLY | O_NONBLOCK | O_CLOEXEC;
#endif

/// What is wrong with one file or folder; empty: nothing.
std::string objection(const struct stat& found, const RequiredOwner& required) {
  const bool group_writes = (found.st_mode & S_IWGRP) != 0;
  const bool world_writes = (found.st_mode & S_IWOTH) != 0;
  if (required.uid && found.st_uid != *required.uid) {
    return fmt::format("does not belong to script-user={}", name_of_user(*required.uid));
  }
  if (required.gid && found.st_gid != *required.gid) {
    return fmt::format("does not belong to script-group={}", name_of_group(*required.gid));
  }
  if (world_writes) return "may be written by everybody";
  if (required.uid && group_writes) return "may be written by its group";
  return {};
}

std::string remedy(const std::string& path, const RequiredOwner& required) {
  return required.uid ? fmt::format("chown {0} {1} && chmod go-w {1}, or correct script-user=",
                                    name_of_user(*required.uid), path)
                      : fmt::format("chgrp {0} {1} && chmod o-w {1}, or correct script-group=",
                                    name_of_group(*required.gid), path);
}

Failed cannot_look(const std::string& path, int os_errno) {
  return failed(ErrorCode::ScriptOwnerRefused,
                fmt::format("the owner of {} cannot be found out", path), os_errno,
                "let httpd's User and the group's user search every directory above the script");
}

Result<void> check_opened(int fd, const std::string& path, const RequiredOwner& required) {
  struct stat found {};
  if (::fstat(fd, &found) != 0) return cannot_look(path, errno);
  const std::string why = objection(found, required);
  if (why.empty()) return {};
  return failed(ErrorCode::ScriptOwnerRefused,
                fmt::format("{} {} {} (owner {}, group {}, mode {:04o})",
                            S_ISDIR(found.st_mode) ? "the script's directory" : "script", path, why,
                            name_of_user(found.st_uid), name_of_group(found.st_gid),
                            static_cast<unsigned>(found.st_mode) & 07777u),
                0, remedy(path, required));
}

std::string folder_of(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  return slash == 0 || slash == std::string::npos ? "/" : path.substr(0, slash);
}

Result<void> check_folder(const std::string& path, const RequiredOwner& required) {
  const UniqueFd folder(::open(path.c_str(), kLookOnly | O_DIRECTORY));
  if (!folder) return cannot_look(path, errno);
  return check_opened(folder.get(), path, required);
}

}  // namespace

Result<void> check_owner(const std::string& script, const RequiredOwner& required) {
  const std::unique_ptr<char, void (*)(void*)> real(::realpath(script.c_str(), nullptr), ::free);
  if (!real) return cannot_look(script, errno);
  const std::string path = real.get();
  const std::string folder_path = folder_of(path);
  const UniqueFd folder(::open(folder_path.c_str(), kLookOnly | O_DIRECTORY));
  if (!folder) return cannot_look(folder_path, errno);
  // In that folder, and no link any more: whatever happens to the way there meanwhile.
  const UniqueFd file(
      ::openat(folder.get(), path.c_str() + path.rfind('/') + 1, kLookOnly | O_NOFOLLOW));
  if (!file) return cannot_look(path, errno);
  if (auto fine = check_opened(file.get(), path, required); !fine) return fine;
  if (auto fine = check_opened(folder.get(), folder_path, required); !fine) return fine;
  return path == script ? Result<void>() : check_folder(folder_of(script), required);
}

}  // namespace wsgix::os

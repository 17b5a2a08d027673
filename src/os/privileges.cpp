// SPDX-License-Identifier: Apache-2.0
#include "wsgix/os/privileges.hpp"

#include <fmt/format.h>
#include <grp.h>
#include <limits.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <string_view>

namespace wsgix::os {
namespace {

/// Sorted and without repeats: the kernel sorts its list, and a repeat adds no right.
std::vector<gid_t> as_set(std::vector<gid_t> groups) {
  std::sort(groups.begin(), groups.end());
  groups.erase(std::unique(groups.begin(), groups.end()), groups.end());
  return groups;
}

/// The highest descriptor that a process of ours can have got before it drops its rights.
constexpr int kMostDescriptors = 1024;

/// A directory outside, opened before, is a way out: fchdir(2) does not ask where / is.
bool holds_a_directory() {
  for (int fd = 0; fd < kMostDescriptors; ++fd) {
    struct stat info {};
    if (::fstat(fd, &info) == 0 && S_ISDIR(info.st_mode)) return true;
  }
  return false;
}

/// Not with stat("."): that asks whether the account may search the jail.
bool works_in_root() {
  char path[PATH_MAX];
  return ::getcwd(path, sizeof path) != nullptr && std::string_view(path) == "/";
}

class KernelPrivilegeCalls final : public PrivilegeCalls {
 public:
  int enter_jail(const std::string& folder) override {
    if (::chdir(folder.c_str()) != 0 || ::chroot(".") != 0) return -1;
    return ::chdir("/");
  }
  int setgroups(const std::vector<gid_t>& groups) override {
    return ::setgroups(groups.size(), groups.data());
  }
  int setresgid(gid_t gid) override { return ::setresgid(gid, gid, gid); }
  int setresuid(uid_t uid) override { return ::setresuid(uid, uid, uid); }

  bool holds_exactly(const Identity& want) override {
    uid_t ruid, euid, suid;
    gid_t rgid, egid, sgid;
    if (::getresuid(&ruid, &euid, &suid) != 0 || ::getresgid(&rgid, &egid, &sgid) != 0) {
      return false;
    }
    const int count = ::getgroups(0, nullptr);
    if (count < 0) return false;
    std::vector<gid_t> groups(static_cast<std::size_t>(count));
    if (::getgroups(count, groups.data()) != count) return false;

    return ruid == want.uid && euid == want.uid && suid == want.uid && rgid == want.gid &&
           egid == want.gid && sgid == want.gid && as_set(groups) == as_set(want.supplementary);
  }

  bool can_regain_root() override { return ::setresuid(0, 0, 0) == 0 || ::setresgid(0, 0, 0) == 0; }

  bool can_leave_jail() override {
    return holds_a_directory() || !works_in_root() || ::chroot("/") == 0;
  }
};

}  // namespace

PrivilegeCalls& kernel_privilege_calls() {
  static KernelPrivilegeCalls calls;  // stateless
  return calls;
}

Result<void> drop_privileges(PrivilegeCalls& calls, const Identity& to) {
  const auto failed_at = [&](const char* step) {
    const int os_errno = errno;  // before any allocation can overwrite it
    return failed(
        ErrorCode::CannotDropPrivileges,
        fmt::format("group '{}': {} for uid {} gid {}", to.group_name, step, to.uid, to.gid),
        os_errno);
  };

  if (to.uid == 0 || to.gid == 0) {
    return failed(
        ErrorCode::RefusesToRunAsRoot,
        fmt::format("group '{}' would run as uid {} gid {}", to.group_name, to.uid, to.gid));
  }

  // Needs root, as everything up to the proof does.
  if (!to.jail.empty() && calls.enter_jail(to.jail) != 0) {
    const int os_errno = errno;
    return failed(ErrorCode::CannotUseDirectory,
                  fmt::format("group '{}': chroot={}", to.group_name, to.jail), os_errno,
                  "name a folder that exists with chroot=");
  }
  // Groups first: setresuid() gives away the capability that changing them needs.
  if (calls.setgroups(to.supplementary) != 0) return failed_at("setgroups");
  if (calls.setresgid(to.gid) != 0) return failed_at("setresgid");
  if (calls.setresuid(to.uid) != 0) return failed_at("setresuid");

  // A kernel, container or security module may report success and do less. Look, then try to
  // climb back.
  if (!calls.holds_exactly(to) || calls.can_regain_root()) {
    return failed(ErrorCode::PrivilegesSurvivedDrop,
                  fmt::format("group '{}': the process still holds more than uid {} gid {}",
                              to.group_name, to.uid, to.gid));
  }
  if (!to.jail.empty() && calls.can_leave_jail()) {
    return failed(
        ErrorCode::PrivilegesSurvivedDrop,
        fmt::format("group '{}': the process can still leave chroot={}", to.group_name, to.jail));
  }
  return {};
}

}  // namespace wsgix::os

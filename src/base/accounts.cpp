// SPDX-License-Identifier: Apache-2.0
#include "wsgix/base/accounts.hpp"

#include <fmt/format.h>
#include <grp.h>
#include <pwd.h>

#include <array>

namespace wsgix {
namespace {

using Buffer = std::array<char, 4096>;

}  // namespace

std::string name_of_user(std::uint32_t uid) {
  Buffer space;
  passwd entry{};
  passwd* found = nullptr;
  const bool known = ::getpwuid_r(uid, &entry, space.data(), space.size(), &found) == 0 && found;
  return known ? std::string(found->pw_name) : std::to_string(uid);
}

std::string name_of_group(std::uint32_t gid) {
  Buffer space;
  group entry{};
  group* found = nullptr;
  const bool known = ::getgrgid_r(gid, &entry, space.data(), space.size(), &found) == 0 && found;
  return known ? std::string(found->gr_name) : std::to_string(gid);
}

std::string describe_refusal(std::uint32_t uid, std::string_view verb, std::string_view path,
                             const struct stat& file) {
  return fmt::format("user {} cannot {} {} (mode {:04o}, owner {})", name_of_user(uid), verb, path,
                     file.st_mode & 07777u, name_of_user(file.st_uid));
}

}  // namespace wsgix

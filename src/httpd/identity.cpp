// SPDX-License-Identifier: Apache-2.0
// Names of accounts as numbers, looked up while the configuration is read: after that no
// process of ours asks the account database.
#include <fmt/format.h>
#include <grp.h>
#include <pwd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <optional>
#include <system_error>

#include "groups.hpp"

namespace wsgix::httpd {
namespace {

constexpr std::size_t kAccountBufferBytes = 16384;

std::optional<std::uint32_t> as_number(std::string_view text) {
  if (!text.starts_with('#')) return std::nullopt;
  std::uint32_t number = 0;
  const char* const end = text.data() + text.size();
  const auto parsed = std::from_chars(text.data() + 1, end, number);
  if (parsed.ec != std::errc() || parsed.ptr != end) return std::nullopt;
  return number;
}

struct Account {
  uid_t uid;
  gid_t gid;
  std::string name;
  std::string home;
};

Result<Account> find_account(const std::string& name) {
  std::string space(kAccountBufferBytes, '\0');
  passwd entry{};
  passwd* found = nullptr;
  const std::optional<std::uint32_t> number = as_number(name);
  const int os_errno = number
                           ? ::getpwuid_r(*number, &entry, space.data(), space.size(), &found)
                           : ::getpwnam_r(name.c_str(), &entry, space.data(), space.size(), &found);
  if (found == nullptr) {
    return failed(ErrorCode::UnknownAccount, "there is no user '" + name + "'", os_errno);
  }
  return Account{found->pw_uid, found->pw_gid, found->pw_name, found->pw_dir};
}

Result<gid_t> find_group(const std::string& name) {
  if (const auto number = as_number(name)) return *number;
  std::string space(kAccountBufferBytes, '\0');
  group entry{};
  group* found = nullptr;
  int os_errno = 0;
  // A group with many members needs more room than anyone can guess.
  while ((os_errno = ::getgrnam_r(name.c_str(), &entry, space.data(), space.size(), &found)) ==
         ERANGE) {
    space.resize(space.size() * 2);
  }
  if (found == nullptr) {
    return failed(ErrorCode::UnknownAccount, "there is no group '" + name + "'", os_errno);
  }
  return found->gr_gid;
}

/// What initgroups() would set.
std::vector<std::uint32_t> groups_of_account(const std::string& name, gid_t gid) {
  int count = 64;
  std::vector<gid_t> list(static_cast<std::size_t>(count));
  if (::getgrouplist(name.c_str(), gid, list.data(), &count) < 0) {
    list.resize(static_cast<std::size_t>(count));
    if (::getgrouplist(name.c_str(), gid, list.data(), &count) < 0) return {gid};
  }
  list.resize(static_cast<std::size_t>(count));
  return {list.begin(), list.end()};
}

Result<std::vector<std::uint32_t>> listed_groups(const std::string& names, gid_t gid) {
  std::vector<std::uint32_t> list{gid};
  std::string_view rest = names;
  while (!rest.empty()) {
    const std::size_t comma = std::min(rest.find(','), rest.size());
    if (comma != 0) {
      const Result<gid_t> found = find_group(std::string(rest.substr(0, comma)));
      if (!found) return failed(found);
      list.push_back(*found);
    }
    rest.remove_prefix(std::min(comma + 1, rest.size()));
  }
  return list;
}

Result<Account> account_of(const std::string& user) {
  if (!user.empty()) return find_account(user);
  const uid_t own = ::geteuid() == 0 ? ap_unixd_config.user_id : ::geteuid();
  Result<Account> account = find_account(fmt::format("#{}", own));
  if (!account) return Account{own, ap_unixd_config.group_id, {}, {}};
  return account;
}

}  // namespace

Result<Identity> resolve_identity(const config::DaemonSettings& settings) {
  const std::string subject = "process group '" + settings.name + "': ";
  const auto in_group = [&](Error error) {
    error.what = subject + error.what;
    return Failed(std::move(error));
  };
  const Result<Account> account = account_of(settings.user);
  if (!account) return in_group(account.error());
  const Result<gid_t> gid =
      settings.group.empty() ? Result<gid_t>(ap_unixd_config.group_id) : find_group(settings.group);
  if (!gid) return in_group(gid.error());
  if (account->uid == 0 || *gid == 0) {
    return failed(ErrorCode::RefusesToRunAsRoot, subject + "it would run as user " +
                                                     std::to_string(account->uid) + " and group " +
                                                     std::to_string(*gid));
  }
  Identity identity{account->uid, *gid, {}, account->name, account->home};
  if (settings.supplementary_groups_given) {
    Result<std::vector<std::uint32_t>> listed = listed_groups(settings.supplementary_groups, *gid);
    if (!listed) return in_group(listed.error());
    identity.supplementary = std::move(*listed);
  } else {
    identity.supplementary = groups_of_account(account->name, *gid);
  }
  return identity;
}

Result<os::RequiredOwner> resolve_script_owner(const config::DaemonSettings& settings) {
  const auto refused = [&](const char* option, const Error& error) {
    return failed(ErrorCode::UnknownAccount,
                  "process group '" + settings.name + "': " + option + "=: " + error.what);
  };
  os::RequiredOwner owner;
  if (!settings.script_user.empty()) {
    const Result<Account> account = find_account(settings.script_user);
    if (!account) return refused("script-user", account.error());
    owner.uid = account->uid;
  }
  if (!settings.script_group.empty()) {
    const Result<gid_t> gid = find_group(settings.script_group);
    if (!gid) return refused("script-group", gid.error());
    owner.gid = *gid;
  }
  return owner;
}

Result<uid_t> resolve_socket_owner(const config::DaemonSettings& settings) {
  if (settings.socket_user.empty()) return ap_unixd_config.user_id;
  const Result<Account> account = find_account(settings.socket_user);
  if (!account) {
    return failed(ErrorCode::UnknownAccount,
                  "process group '" + settings.name + "': socket-user=: " + account.error().what);
  }
  return account->uid;
}

}  // namespace wsgix::httpd

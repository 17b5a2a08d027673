// SPDX-License-Identifier: Apache-2.0
#include "former_groups.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>

#include "log.hpp"
#include "wsgix/base/clock.hpp"
#include "wsgix/os/descriptors.hpp"

namespace wsgix::httpd {
namespace {

/// An upload or a download may keep an old child for long; a former account shall not be kept for
/// ever.
constexpr std::chrono::minutes kPatienceWithOldChildren{5};
/// For its end, beside shutdown-timeout=.
constexpr seconds kMargin{5};

std::int64_t in_ms(Clock::duration span) {
  return std::chrono::duration_cast<milliseconds>(span).count();
}

/// Asks first, then kills. A host that the application has stopped or changed does not decide.
void end_hosts_of(RetainedGroup& group, const server_rec& main) {
  const bool is_last_word = std::exchange(group.was_asked, true);
  for (const RetainedHost* host = group.newest; host != nullptr; host = host->older) {
    if (host->pid == 0) continue;
    log(main, LogLevel::Warning,
        {ErrorCode::FormerHostEnded,
         fmt::format("process group '{}': the host of a former configuration, pid {}, has not "
                     "ended and is {}",
                     group.name, host->pid, is_last_word ? "killed" : "ended")});
    ::kill(host->pid, is_last_word ? SIGKILL : SIGTERM);
  }
  group.end_by_ms = steady_ms() + in_ms(group.shutdown_timeout + kMargin);
}

bool has_hosts(const RetainedGroup& group) noexcept {
  for (const RetainedHost* host = group.newest; host != nullptr; host = host->older) {
    if (host->pid != 0) return true;
  }
  return false;
}

}  // namespace

Result<std::string> identity_of(const Group& group) {
  if (::geteuid() != 0) return "own account, jail '" + group.settings.chroot + "'";
  const Result<uid_t> owner = resolve_socket_owner(group.settings);
  if (!owner) return failed(owner);
  std::vector<std::uint32_t> groups = group.identity.supplementary;
  std::sort(groups.begin(), groups.end());
  return fmt::format("uid {}, gid {}, groups {}, socket of uid {}, for uid {}, jail '{}'",
                     group.identity.uid, group.identity.gid, fmt::join(groups, " "), *owner,
                     ap_unixd_config.user_id, group.settings.chroot);
}

Result<void> leave_former_groups(apr_pool_t&, server_rec& main) {
  Retained* const retained = find_retained();
  const GroupRegistry* const registry = config_of(main).registry;
  if (retained == nullptr || registry == nullptr || retained->parent != ::getpid()) return {};
  for (RetainedGroup* group = retained->groups; group != nullptr; group = group->next) {
    if (group->listener < 0) continue;
    const Group* const defined = registry->find(group->name);
    if (defined != nullptr) {
      const Result<std::string> identity = identity_of(*defined);
      if (!identity) return failed(identity);
      if (*identity == group->identity) continue;
    }
    begin_end_of(*group);
  }
  return {};
}

void begin_end_of(RetainedGroup& group) noexcept {
  group.is_defined = false;
  if (group.end_by_ms == 0) group.end_by_ms = steady_ms() + in_ms(kPatienceWithOldChildren);
  // Commands are for the group that has its name now.
  if (group.has_files) ::unlink(group.commands_path);
  // The host has its own: it takes what old children have in the listener's queue.
  close_and_forget(group.listener);
  close_and_forget(group.commands);
  close_and_forget(group.scoreboard);
  close_and_forget(group.presence_write);
  for (const RetainedHost* host = group.newest; host != nullptr; host = host->older) {
    tell(*host, supervisor::ToHost::Overtaken);
  }
}

void look_after_former_groups(Retained& retained, const server_rec& main) {
  RetainedGroup** link = &retained.groups;
  while (RetainedGroup* group = *link) {
    if (group->end_by_ms == 0) {
      link = &group->next;
      continue;
    }
    const bool is_reachable = group->presence_read >= 0 && !os::has_ended(group->presence_read);
    if (!is_reachable || !has_hosts(*group)) remove_files(*group);
    if (has_hosts(*group)) {
      if (steady_ms() >= group->end_by_ms) end_hosts_of(*group, main);
      link = &group->next;
      continue;
    }
    tidy(retained, *group);
    close_and_forget(group->presence_read);
    remove_group(retained, *link);
  }
}

void remove_files(RetainedGroup& group) noexcept {
  if (!std::exchange(group.has_files, false)) return;
  ::unlink(group.socket_path);
  ::unlink(group.commands_path);
}

std::int64_t steady_ms() noexcept { return in_ms(Clock::now().time_since_epoch()); }

}  // namespace wsgix::httpd

// SPDX-License-Identifier: Apache-2.0
// httpd/retained.hpp: what outlives a configuration in the httpd parent: the sockets of the groups
// and the hosts that run.
//
// The module itself is unloaded and loaded again on each restart, maybe as a newer file. So this
// is plain data in the process's pool, and its layout has a number.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include "httpd_api.hpp"
#include "wsgix/base/clock.hpp"
#include "wsgix/base/result.hpp"
#include "wsgix/supervisor/host_commands.hpp"
#include "wsgix/wire/messages.hpp"

namespace wsgix::httpd {

/// One wsgix-host. Whether it is ready comes over its retire pipe (supervisor/host_commands.hpp),
/// not from the scoreboard, which the application can write.
struct RetainedHost {
  RetainedHost* older;
  pid_t pid;     ///< 0: it has ended
  int lifeline;  ///< write end: the host ends when nobody holds it
  int retire;    ///< our end of its retire pipe
  bool is_ready;
  std::int64_t started_ms;  ///< steady clock
};

/// A name and an identity: the account, groups, jail and socket owner that its listener, token and
/// scoreboard were made for. When one of these changes, the group is another one: it leaves the
/// configuration, and a new one takes the name. What a process of the former account keeps is then
/// worth nothing.
struct RetainedGroup {
  RetainedGroup* next;
  const char* name;
  const char* identity;
  const char* socket_path;
  const char* commands_path;
  std::array<char, wire::kTokenBytes> token;
  int listener;  ///< -1: the group was removed, its last hosts drain
  int commands;  ///< listens for `wsgix ctl`; as long as the listener
  int scoreboard;
  /// A pipe. Whoever of httpd may send requests to the listener holds the write end: the parent
  /// while the group is defined, and the children of those configurations. The host holds the read
  /// end, and knows at its end that it is done. No process of the group ever has the write end.
  int presence_write;
  int presence_read;
  int failures;  ///< hosts in a row that ended early
  int delay_ms;  ///< before the next start of its host
  milliseconds shutdown_timeout;
  std::array<apr_file_t*, 4> at_stake;  ///< see absence.hpp
  bool is_defined;                      ///< by the present configuration
  bool has_files;                       ///< its sockets, in the file system
  std::int64_t end_by_ms;               ///< a former group's hosts are ended then; steady clock
  bool was_asked;                       ///< that has begun
  RetainedHost* newest;
};

struct Retained {
  std::uint32_t layout;
  pid_t parent;
  unsigned sockets;  ///< made so far: each has its number in its name
  bool has_started;  ///< an earlier configuration has run
  apr_pool_t* pool;
  RetainedGroup* groups;
  RetainedHost* spare;  ///< to be used again: the pool gives nothing back
  RetainedGroup* spare_groups;
  int sweeper;  ///< write end: what is left after us is removed by a process that waits for its end
};

/// Refuses what another version of this module has left.
Result<Retained*> find_or_create_retained(const server_rec& main);
/// nullptr when nothing was ever started.
Retained* find_retained() noexcept;

RetainedGroup* find_group(Retained& retained, std::string_view name,
                          std::string_view identity) noexcept;
RetainedGroup& add_group(Retained& retained, std::string_view name, std::string_view identity);
/// Takes a group whose hosts have all ended out of the list, to be used again.
void remove_group(Retained& retained, RetainedGroup*& link) noexcept;
RetainedHost& add_host(Retained& retained, RetainedGroup& group);

void tell(const RetainedHost& host, supervisor::ToHost word) noexcept;
/// The newest one that lives and has been ready; nullptr: none has.
RetainedHost* serving_host(RetainedGroup& group) noexcept;
/// Closes what the parent held of a host that has ended.
void close_host(RetainedHost& host) noexcept;
void close_and_forget(int& fd) noexcept;
/// Hosts that have ended leave the list, but for a current one that is to be followed. Whoever is
/// older than one that is ready retires: its successor has told it, unless it became ready itself
/// at the moment it was overtaken.
void tidy(Retained& retained, RetainedGroup& group) noexcept;
/// Takes one that has ended out of the list that `link` belongs to.
void remove_host(Retained& retained, RetainedHost*& link) noexcept;

}  // namespace wsgix::httpd

// SPDX-License-Identifier: Apache-2.0
// httpd/kept.hpp: what outlives a configuration in the httpd parent: the sockets of the groups
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
#include "wsgix/wire/messages.hpp"

namespace wsgix::httpd {

/// One wsgix-host. The parent keeps both ends of its retire pipe: when a successor says to a host
/// that is dead already "I am ready", somebody has to pass that on to its predecessor.
struct KeptHost {
  KeptHost* older;
  pid_t pid;     ///< 0: it has ended
  int lifeline;  ///< write end: the host ends when nobody holds it
  int retire_read;
  int retire_write;
  std::int64_t started_ms;  ///< steady clock
};

struct KeptGroup {
  KeptGroup* next;
  const char* name;
  const char* socket_path;
  const char* commands_path;
  std::array<char, wire::kTokenBytes> token;
  int listener;  ///< -1: the group was removed, its last hosts drain
  int commands;  ///< listens for `wsgix ctl`; as long as the listener
  int scoreboard;
  int failures;  ///< hosts in a row that ended early
  int delay_ms;  ///< before the next start of its host
  milliseconds shutdown_timeout;
  bool is_defined;  ///< by the present configuration
  KeptHost* newest;
};

struct Kept {
  std::uint32_t layout;
  pid_t parent;
  unsigned sockets;  ///< made so far: each has its number in its name
  bool has_started;  ///< an earlier configuration has run
  apr_pool_t* pool;
  KeptGroup* groups;
  KeptHost* spare;  ///< to be used again: the pool gives nothing back
};

/// Refuses what another version of this module has left.
Result<Kept*> find_or_create_kept(const server_rec& main);
/// nullptr when nothing was ever started.
Kept* find_kept() noexcept;

KeptGroup* find_group(Kept& kept, std::string_view name) noexcept;
KeptGroup& add_group(Kept& kept, std::string_view name);
KeptHost& add_host(Kept& kept, KeptGroup& group);

/// Tells a host to drain and end.
void retire(const KeptHost& host) noexcept;
/// Closes what the parent held of a host that has ended.
void close_host(KeptHost& host) noexcept;
void close_and_forget(int& fd) noexcept;
/// Ended hosts that nobody needs any more leave the list; a word to one of them is passed on.
void tidy(Kept& kept, KeptGroup& group) noexcept;
/// Takes one that has ended out of the list that `link` belongs to.
void remove_host(Kept& kept, KeptHost*& link) noexcept;

}  // namespace wsgix::httpd

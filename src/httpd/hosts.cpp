// SPDX-License-Identifier: Apache-2.0
#include "hosts.hpp"

#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>

#include "check.hpp"
#include "host_paths.hpp"
#include "host_settings.hpp"
#include "log.hpp"
#include "pool.hpp"
#include "spawn.hpp"
#include "trampoline.hpp"
#include "wsgix/base/clock.hpp"
#include "wsgix/os/child.hpp"
#include "wsgix/os/descriptors.hpp"
#include "wsgix/os/listener.hpp"
#include "wsgix/os/random.hpp"
#include "wsgix/os/sealed_memory.hpp"
#include "wsgix/scoreboard/scoreboard.hpp"
#include "wsgix/supervisor/restart_policy.hpp"

namespace wsgix::httpd {
namespace {

constexpr seconds kStopGrace{2};
constexpr int kCommandBacklog = 16;
constexpr timespec kStopLook{0, 20'000'000};

/// One host that httpd's main loop reaps for us. Lives in the configuration pool.
struct Watch {
  Kept& kept;
  KeptGroup& group;
  KeptHost& host;
  server_rec& main;
  apr_pool_t& pconf;
  apr_proc_t process;
};

void host_changed(Watch& watch, int reason, int wait_status);

std::int64_t now_ms() {
  return std::chrono::duration_cast<milliseconds>(Clock::now().time_since_epoch()).count();
}

void watch(Kept& kept, KeptGroup& group, KeptHost& host, server_rec& main, apr_pool_t& pconf) {
  Watch& watch = make_in_pool<Watch>(&pconf, Watch{kept, group, host, main, pconf, {}});
  watch.process.pid = host.pid;
  apr_proc_other_child_register(&watch.process, other_child_changed<Watch, host_changed>, &watch,
                                nullptr, &pconf);
}

Result<UniqueFd> encoded_settings(const config::HostSettings& settings) {
  const std::vector<config::Field> fields = config::to_fields(settings);
  std::vector<wire::FieldView> views;
  views.reserve(fields.size());
  for (const auto& [name, value] : fields) views.push_back({name, value});
  wire::Bytes bytes;
  if (auto encoded = wire::encode_fields(views, bytes); !encoded)
    return failed(encoded.error().code, encoded.error().what);
  return os::sealed_memory("wsgix-settings", bytes);
}

// ---- what a group owns in the parent ----

Result<void> make_socket(Kept& kept, KeptGroup& kept_group, const Group& group,
                         const std::string& prefix) {
  const std::string path = socket_path(prefix, kept.parent, ++kept.sockets);
  std::optional<std::pair<uid_t, gid_t>> owner;
  if (::geteuid() == 0) {
    const Result<uid_t> uid = resolve_socket_owner(group.settings);
    if (!uid) return failed(uid);
    owner = {*uid, static_cast<gid_t>(-1)};
  }
  Result<UniqueFd> listener = os::listen_on(path, group.settings.listen_backlog, owner);
  if (!listener) return failed(listener);
  // It stays whose httpd is: commands are the administrator's.
  const std::string for_commands = commands_path(path);
  Result<UniqueFd> commands = os::listen_on(for_commands, kCommandBacklog, std::nullopt);
  if (!commands) {
    ::unlink(path.c_str());
    return failed(commands);
  }
  kept_group.listener = listener->release();
  kept_group.socket_path = apr_pstrmemdup(kept.pool, path.data(), path.size());
  kept_group.commands = commands->release();
  kept_group.commands_path = apr_pstrmemdup(kept.pool, for_commands.data(), for_commands.size());
  return {};
}

void remove_socket(KeptGroup& group) {
  if (group.listener < 0) return;
  ::unlink(group.socket_path);
  ::unlink(group.commands_path);
  close_and_forget(group.listener);
  close_and_forget(group.commands);
}

/// User or socket-user= may have changed since the socket was made.
Result<void> give_socket_to_its_owner(const KeptGroup& kept_group, const Group& group) {
  if (::geteuid() != 0) return {};
  const Result<uid_t> uid = resolve_socket_owner(group.settings);
  if (!uid) return failed(uid);
  if (::lchown(kept_group.socket_path, *uid, static_cast<gid_t>(-1)) == 0) return {};
  const int os_errno = errno;
  return failed(ErrorCode::CannotCreateSocket, std::string("owner of ") + kept_group.socket_path,
                os_errno);
}

Result<void> make_scoreboard_and_token(KeptGroup& group) {
  if (group.scoreboard >= 0) return {};
  Result<UniqueFd> board = scoreboard::create();
  if (!board) return failed(board);
  const Result<std::string> token = os::random_bytes(group.token.size());
  if (!token) return failed(token);
  std::copy(token->begin(), token->end(), group.token.begin());
  group.scoreboard = board->release();
  return {};
}

Result<void> prepare(Kept& kept, Group& group, const std::string& prefix) {
  KeptGroup* known = find_group(kept, group.settings.name);
  KeptGroup& kept_group = known != nullptr ? *known : add_group(kept, group.settings.name);
  kept_group.shutdown_timeout = group.settings.shutdown_timeout;
  kept_group.failures = kept_group.delay_ms = 0;
  if (auto made = make_scoreboard_and_token(kept_group); !made) return made;
  if (kept_group.listener < 0) {
    if (auto made = make_socket(kept, kept_group, group, prefix); !made) return made;
  } else {
    // On a listening socket this only changes the backlog.
    ::listen(kept_group.listener, group.settings.listen_backlog);
    if (auto owned = give_socket_to_its_owner(kept_group, group); !owned) return owned;
  }
  kept_group.is_defined = true;
  group.socket_path = kept_group.socket_path;
  group.token.assign(kept_group.token.begin(), kept_group.token.end());
  group.scoreboard = kept_group.scoreboard;
  return {};
}

void drop(Kept& kept, KeptGroup& group) {
  for (KeptHost* host = group.newest; host != nullptr; host = host->older) retire(*host);
  remove_socket(group);
  tidy(kept, group);
}

// ---- hosts ----

/// Starts a host. `handover` is the retire pipe of whoever it follows, or -1.
Result<void> start_host(Kept& kept, KeptGroup& kept_group, const Group& group, int handover,
                        server_rec& main, apr_pool_t& pconf) {
  Result<UniqueFd> settings = encoded_settings(host_settings(group, main, kept_group.delay_ms));
  if (!settings) return failed(settings);
  Result<os::Pipe> lifeline = os::make_pipe();
  if (!lifeline) return failed(lifeline);
  Result<os::SocketPair> retire_pipe = os::make_message_pair();
  if (!retire_pipe) return failed(retire_pipe);

  HostLaunch start;
  start.program = host_program();
  start.title = config::title(group.settings);
  start.error_log = error_log_of(home_of(group, main));
  start.settings = settings->get();
  start.listener = kept_group.listener;
  start.scoreboard = kept_group.scoreboard;
  start.lifeline = lifeline->read_end.get();
  start.retire = retire_pipe->one.get();
  start.handover = handover;
  start.commands = kept_group.commands;
  const Result<pid_t> pid = launch(start);
  if (!pid) return failed(pid);

  KeptHost& host = add_host(kept, kept_group);
  host.pid = *pid;
  host.lifeline = lifeline->write_end.release();
  host.retire_read = retire_pipe->one.release();
  host.retire_write = retire_pipe->other.release();
  host.started_ms = now_ms();
  watch(kept, kept_group, host, main, pconf);
  return {};
}

/// Starts the host of a defined group after whoever serves it now. A current host that has died
/// leaves the list: the new one takes its predecessor over.
Result<void> start_next_host(Kept& kept, KeptGroup& kept_group, const Group& group,
                             server_rec& main, apr_pool_t& pconf) {
  while (kept_group.newest != nullptr && kept_group.newest->pid == 0) {
    remove_host(kept, kept_group.newest);
  }
  const int handover = kept_group.newest != nullptr ? kept_group.newest->retire_write : -1;
  return start_host(kept, kept_group, group, handover, main, pconf);
}

const Group* definition_of(const KeptGroup& group, const server_rec& main) {
  const GroupRegistry* registry = config_of(main).registry;
  return registry != nullptr && group.is_defined ? registry->find(group.name) : nullptr;
}

void set_next_delay(KeptGroup& group, const KeptHost& host) {
  supervisor::RestartPolicy policy(group.failures);
  const milliseconds lived(now_ms() - host.started_ms);
  // Nobody here knows whether it ever was ready: living long says it.
  const auto delay = std::chrono::duration_cast<milliseconds>(
      policy.delay_after_end(supervisor::RestartPolicy::Came::Up, lived));
  group.failures = policy.failures_in_a_row();
  group.delay_ms = static_cast<int>(delay.count());
}

void log_death(const Watch& watch, const Group& group, pid_t pid, int wait_status) {
  log(home_of(group, watch.main), LogLevel::Error,
      {ErrorCode::HostDied, "process group '" + group.settings.name + "': its host, pid " +
                                std::to_string(pid) + ", " + os::describe_end(wait_status) +
                                "; a new one starts in " + std::to_string(watch.group.delay_ms) +
                                " ms"});
}

void host_changed(Watch& watch, int reason, int wait_status) {
  if (reason != APR_OC_REASON_DEATH && reason != APR_OC_REASON_LOST) return;
  apr_proc_other_child_unregister(&watch);
  const pid_t pid = std::exchange(watch.host.pid, 0);
  const bool is_current = watch.group.newest == &watch.host;
  const Group* group = is_current ? definition_of(watch.group, watch.main) : nullptr;
  if (group != nullptr) {
    set_next_delay(watch.group, watch.host);
    log_death(watch, *group, pid, wait_status);
    const Result<void> started =
        start_next_host(watch.kept, watch.group, *group, watch.main, watch.pconf);
    if (!started) log(watch.main, LogLevel::Alert, started.error());
  }
  tidy(watch.kept, watch.group);
}

/// A host that could not be started is tried again with each round of httpd's monitor.
void start_missing_host(Kept& kept, KeptGroup& kept_group, server_rec& main, apr_pool_t& pconf) {
  const Group* group = definition_of(kept_group, main);
  if (group == nullptr || (kept_group.newest != nullptr && kept_group.newest->pid != 0)) return;
  const Result<void> started = start_next_host(kept, kept_group, *group, main, pconf);
  if (!started) log(main, LogLevel::Alert, started.error());
}

// ---- the end of httpd ----

bool reaped(KeptHost& host) {
  if (host.pid == 0) return true;
  const pid_t result = ::waitpid(host.pid, nullptr, WNOHANG);
  if (result == 0) return false;
  host.pid = 0;
  close_host(host);
  return true;
}

bool all_reaped(Kept& kept) {
  bool all = true;
  for (KeptGroup* group = kept.groups; group != nullptr; group = group->next) {
    for (KeptHost* host = group->newest; host != nullptr; host = host->older) {
      if (!reaped(*host)) all = false;
    }
  }
  return all;
}

milliseconds signal_all(Kept& kept, int signal) {
  milliseconds longest{};
  for (KeptGroup* group = kept.groups; group != nullptr; group = group->next) {
    for (KeptHost* host = group->newest; host != nullptr; host = host->older) {
      if (host->pid == 0) continue;
      // httpd -X has given up root and may not signal another account's process: the end of the
      // lifeline says the same.
      if (::kill(host->pid, signal) != 0) close_and_forget(host->lifeline);
      longest = std::max(longest, group->shutdown_timeout);
    }
  }
  return longest;
}

void wait_for_all(Kept& kept, Deadline deadline) {
  while (!all_reaped(kept) && Clock::now() < deadline) ::nanosleep(&kStopLook, nullptr);
}

void stop_all(Kept& kept) {
  const milliseconds longest = signal_all(kept, SIGTERM);
  wait_for_all(kept, after(longest + kStopGrace));
  signal_all(kept, SIGKILL);
  wait_for_all(kept, after(kStopGrace));
  for (KeptGroup* group = kept.groups; group != nullptr; group = group->next) {
    remove_socket(*group);
    close_and_forget(group->scoreboard);
  }
}

/// The configuration pool ends on each restart as well, and in children that copied it.
void configuration_ends(apr_pool_t&) {
  Kept* const found = find_kept();
  if (found == nullptr) return;
  Kept& kept = *found;
  const bool for_good = ap_state_query(AP_SQ_MAIN_STATE) == AP_SQ_MS_EXITING || is_single_process();
  if (for_good && ::getpid() == kept.parent) stop_all(kept);
}

/// Before the first start a failure stops httpd; later it must not take the whole server down.
Result<void> tolerate(const Kept& kept, const server_rec& main, const Result<void>& done) {
  if (done || !kept.has_started) return done;
  log(main, LogLevel::Alert, done.error());
  return {};
}

Result<void> start_group(Kept& kept, Group& group, const std::string& prefix, server_rec& main,
                         apr_pool_t& pconf) {
  if (auto prepared = prepare(kept, group, prefix); !prepared) return prepared;
  KeptGroup& kept_group = *find_group(kept, group.settings.name);
  return start_next_host(kept, kept_group, group, main, pconf);
}

void watch_old_hosts(Kept& kept, server_rec& main, apr_pool_t& pconf) {
  for (KeptGroup* group = kept.groups; group != nullptr; group = group->next) {
    group->is_defined = false;
    for (KeptHost* host = group->newest; host != nullptr; host = host->older) {
      if (host->pid != 0) watch(kept, *group, *host, main, pconf);
    }
  }
}

}  // namespace

Result<void> start_hosts(apr_pool_t& pconf, server_rec& main) {
  ap_add_version_component(&pconf, "mod_wsgi/6.0.5");
  ap_add_version_component(&pconf, "wsgix/" WSGIX_VERSION);
  const bool is_rehearsal = ap_state_query(AP_SQ_MAIN_STATE) == AP_SQ_MS_CREATE_PRE_CONFIG ||
                            ap_state_query(AP_SQ_RUN_MODE) != AP_SQ_RM_NORMAL;
  GroupRegistry* const registry = config_of(main).registry;
  if (is_rehearsal || registry == nullptr) return {};

  const Result<Kept*> found = find_or_create_kept(main);
  if (!found) return failed(found);
  Kept& kept = **found;
  watch_old_hosts(kept, main, pconf);

  const std::string prefix = socket_prefix(pconf, main);
  if (!registry->all().empty() && !kept.has_started) {
    if (auto removed = os::remove_stale_sockets(prefix + "."); !removed) return removed;
  }
  for (Group& group : registry->all()) {
    const Result<void> started = start_group(kept, group, prefix, main, pconf);
    if (auto tolerated = tolerate(kept, main, started); !tolerated) return tolerated;
  }
  for (KeptGroup* group = kept.groups; group != nullptr; group = group->next) {
    if (!group->is_defined) drop(kept, *group);
  }
  kept.has_started = true;
  return {};
}

void end_hosts_with(apr_pool_t& pconf) {
  apr_pool_cleanup_register(&pconf, &pconf, pool_cleanup<apr_pool_t, configuration_ends>,
                            apr_pool_cleanup_null);
}

Result<void> look_after_hosts(apr_pool_t& pconf, server_rec& main) {
  Kept* const kept = find_kept();
  if (kept == nullptr || kept->parent != ::getpid()) return {};
  for (KeptGroup* group = kept->groups; group != nullptr; group = group->next) {
    tidy(*kept, *group);
    start_missing_host(*kept, *group, main, pconf);
  }
  return {};
}

void close_kept_descriptors() noexcept {
  Kept* const kept = find_kept();
  if (kept == nullptr) return;
  for (KeptGroup* group = kept->groups; group != nullptr; group = group->next) {
    close_and_forget(group->listener);
    close_and_forget(group->commands);
    close_and_forget(group->scoreboard);
    for (KeptHost* host = group->newest; host != nullptr; host = host->older) close_host(*host);
  }
}

}  // namespace wsgix::httpd

// SPDX-License-Identifier: Apache-2.0
#include "hosts.hpp"

#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>

#include "absence.hpp"
#include "check.hpp"
#include "former_groups.hpp"
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

/// Beside shutdown-timeout=: the supervisor ends what its workers have left behind.
constexpr seconds kStopGrace{4};
constexpr int kCommandBacklog = 16;
constexpr timespec kStopLook{0, 20'000'000};

/// One host that httpd's main loop reaps for us. Lives in the configuration pool.
struct Watch {
  Retained& retained;
  RetainedGroup& group;
  RetainedHost& host;
  server_rec& main;
  apr_pool_t& pconf;
  apr_proc_t process;
};

void host_changed(Watch& watch, int reason, int wait_status);

void watch(Retained& retained, RetainedGroup& group, RetainedHost& host, server_rec& main,
           apr_pool_t& pconf) {
  Watch& watch = make_in_pool<Watch>(&pconf, Watch{retained, group, host, main, pconf, {}});
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

Result<void> make_socket(Retained& retained, RetainedGroup& retained_group, const Group& group,
                         const std::string& prefix) {
  const std::string path = socket_path(prefix, retained.parent, ++retained.sockets);
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
  Result<os::Pipe> presence = os::make_pipe();
  if (!presence) {
    ::unlink(path.c_str());
    ::unlink(for_commands.c_str());
    return failed(presence);
  }
  retained_group.presence_read = presence->read_end.release();
  retained_group.presence_write = presence->write_end.release();
  retained_group.has_files = true;
  retained_group.listener = listener->release();
  retained_group.socket_path = apr_pstrmemdup(retained.pool, path.data(), path.size());
  retained_group.commands = commands->release();
  retained_group.commands_path =
      apr_pstrmemdup(retained.pool, for_commands.data(), for_commands.size());
  return {};
}

Result<void> make_scoreboard_and_token(RetainedGroup& group) {
  if (group.scoreboard >= 0) return {};
  Result<UniqueFd> board = scoreboard::create();
  if (!board) return failed(board);
  const Result<std::string> token = os::random_bytes(group.token.size());
  if (!token) return failed(token);
  std::copy(token->begin(), token->end(), group.token.begin());
  group.scoreboard = board->release();
  return {};
}

Result<RetainedGroup*> prepare(Retained& retained, Group& group, const std::string& prefix) {
  const Result<std::string> identity = identity_of(group);
  if (!identity) return failed(identity);
  RetainedGroup* const known = find_group(retained, group.settings.name, *identity);
  RetainedGroup& retained_group =
      known != nullptr ? *known : add_group(retained, group.settings.name, *identity);
  retained_group.shutdown_timeout = group.settings.shutdown_timeout;
  retained_group.failures = retained_group.delay_ms = 0;
  if (auto made = make_scoreboard_and_token(retained_group); !made) return failed(made);
  if (retained_group.listener < 0) {
    if (auto made = make_socket(retained, retained_group, group, prefix); !made)
      return failed(made);
  } else {
    // On a listening socket this only changes the backlog.
    ::listen(retained_group.listener, group.settings.listen_backlog);
  }
  retained_group.is_defined = true;
  group.socket_path = retained_group.socket_path;
  group.token.assign(retained_group.token.begin(), retained_group.token.end());
  group.scoreboard = retained_group.scoreboard;
  return &retained_group;
}

// ---- hosts ----

/// Starts a host. `handover` is our end of the retire pipe of whoever it follows, or -1.
Result<void> start_host(Retained& retained, RetainedGroup& retained_group, const Group& group,
                        int handover, server_rec& main, apr_pool_t& pconf) {
  Result<UniqueFd> settings = encoded_settings(host_settings(group, main, retained_group.delay_ms));
  if (!settings) return failed(settings);
  Result<os::Pipe> lifeline = os::make_pipe();
  if (!lifeline) return failed(lifeline);
  Result<os::SocketPair> retire_pipe = os::make_message_pair();
  if (!retire_pipe) return failed(retire_pipe);

  HostLaunch start;
  start.program = host_program();
  start.title = config::title(group.settings);
  const UniqueFd error_log = own_error_log(home_of(group, main));
  start.descriptors.fill(-1);
  start.descriptors[config::kOutput] = error_log.get();
  start.descriptors[config::kErrorLog] = error_log.get();
  start.descriptors[config::kSettings] = settings->get();
  start.descriptors[config::kListener] = retained_group.listener;
  start.descriptors[config::kScoreboard] = retained_group.scoreboard;
  start.descriptors[config::kLifeline] = lifeline->read_end.get();
  start.descriptors[config::kRetire] = retire_pipe->one.get();
  start.descriptors[config::kHandover] = handover;
  start.descriptors[config::kCommands] = retained_group.commands;
  start.descriptors[config::kPresence] = retained_group.presence_read;
  const Result<pid_t> pid = launch(start);
  if (!pid) return failed(pid);

  RetainedHost& host = add_host(retained, retained_group);
  host.pid = *pid;
  host.lifeline = lifeline->write_end.release();
  host.retire = retire_pipe->other.release();
  host.started_ms = steady_ms();
  watch(retained, retained_group, host, main, pconf);
  return {};
}

/// Whom a new host has to retire. A service ends before the next one begins, ready or not.
const RetainedHost* predecessor_in(RetainedGroup& retained_group, const Group& group) {
  const RetainedHost* const serving = serving_host(retained_group);
  if (serving != nullptr || !group.is_service()) return serving;
  return retained_group.newest != nullptr && retained_group.newest->pid != 0 ? retained_group.newest
                                                                             : nullptr;
}

/// Starts the host of a defined group after whoever serves it now. A current host that has died
/// leaves the list: the new one takes its predecessor over. One that was not ready yet ends.
Result<void> start_next_host(Retained& retained, RetainedGroup& retained_group, const Group& group,
                             server_rec& main, apr_pool_t& pconf) {
  while (retained_group.newest != nullptr && retained_group.newest->pid == 0) {
    remove_host(retained, retained_group.newest);
  }
  const RetainedHost* const predecessor = predecessor_in(retained_group, group);
  const int handover = predecessor != nullptr ? predecessor->retire : -1;
  for (const RetainedHost* host = retained_group.newest; host != nullptr; host = host->older) {
    tell(*host, supervisor::ToHost::Overtaken);
  }
  return start_host(retained, retained_group, group, handover, main, pconf);
}

const Group* definition_of(const RetainedGroup& group, const server_rec& main) {
  const GroupRegistry* registry = config_of(main).registry;
  return registry != nullptr && group.is_defined ? registry->find(group.name) : nullptr;
}

void set_next_delay(RetainedGroup& group, const RetainedHost& host) {
  supervisor::RestartPolicy policy(group.failures);
  const milliseconds lived(steady_ms() - host.started_ms);
  // Its readiness proves nothing about the host itself; living long does.
  const bool lived_long = lived >= supervisor::RestartPolicy::kLongEnough;
  using Came = supervisor::RestartPolicy::Came;
  const auto delay = std::chrono::duration_cast<milliseconds>(
      policy.delay_after_end(lived_long ? Came::Up : Came::NeverUp, lived));
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
        start_next_host(watch.retained, watch.group, *group, watch.main, watch.pconf);
    if (!started) log(watch.main, LogLevel::Alert, started.error());
  }
  tidy(watch.retained, watch.group);
}

/// A host that could not be started is tried again with each round of httpd's monitor.
void start_missing_host(Retained& retained, RetainedGroup& retained_group, server_rec& main,
                        apr_pool_t& pconf) {
  const Group* group = definition_of(retained_group, main);
  if (group == nullptr || (retained_group.newest != nullptr && retained_group.newest->pid != 0))
    return;
  const Result<void> started = start_next_host(retained, retained_group, *group, main, pconf);
  if (!started) log(main, LogLevel::Alert, started.error());
}

// ---- the end of httpd ----

bool reaped(RetainedHost& host) {
  if (host.pid == 0) return true;
  const pid_t result = ::waitpid(host.pid, nullptr, WNOHANG);
  if (result == 0) return false;
  host.pid = 0;
  close_host(host);
  return true;
}

bool all_reaped(Retained& retained) {
  bool all = true;
  for (RetainedGroup* group = retained.groups; group != nullptr; group = group->next) {
    for (RetainedHost* host = group->newest; host != nullptr; host = host->older) {
      if (!reaped(*host)) all = false;
    }
  }
  return all;
}

milliseconds signal_all(Retained& retained, int signal) {
  milliseconds longest{};
  for (RetainedGroup* group = retained.groups; group != nullptr; group = group->next) {
    for (RetainedHost* host = group->newest; host != nullptr; host = host->older) {
      if (host->pid == 0) continue;
      // httpd -X has given up root and may not signal another account's process: the end of the
      // lifeline says the same.
      if (::kill(host->pid, signal) != 0) close_and_forget(host->lifeline);
      longest = std::max(longest, group->shutdown_timeout);
    }
  }
  return longest;
}

void wait_for_all(Retained& retained, Deadline deadline) {
  while (!all_reaped(retained) && Clock::now() < deadline) ::nanosleep(&kStopLook, nullptr);
}

void stop_all(Retained& retained) {
  const milliseconds longest = signal_all(retained, SIGTERM);
  wait_for_all(retained, after(longest + kStopGrace));
  signal_all(retained, SIGKILL);
  wait_for_all(retained, after(kStopGrace));
  for (RetainedGroup* group = retained.groups; group != nullptr; group = group->next)
    remove_files(*group);
}

/// The configuration pool ends on each restart as well, and in children that copied it.
void configuration_ends(apr_pool_t&) {
  Retained* const found = find_retained();
  if (found == nullptr) return;
  Retained& retained = *found;
  const bool for_good = ap_state_query(AP_SQ_MAIN_STATE) == AP_SQ_MS_EXITING || is_single_process();
  if (::getpid() != retained.parent) return;
  if (for_good) {
    stop_all(retained);
  } else {
    leave_sweeper(retained);
  }
}

/// Before the first start a failure stops httpd; later it must not take the whole server down.
Result<void> tolerate(const Retained& retained, const server_rec& main, const Result<void>& done) {
  if (done || !retained.has_started) return done;
  log(main, LogLevel::Alert, done.error());
  return {};
}

Result<void> start_group(Retained& retained, Group& group, const std::string& prefix,
                         server_rec& main, apr_pool_t& pconf) {
  const Result<RetainedGroup*> prepared = prepare(retained, group, prefix);
  if (!prepared) return failed(prepared);
  return start_next_host(retained, **prepared, group, main, pconf);
}

void watch_old_hosts(Retained& retained, server_rec& main, apr_pool_t& pconf) {
  for (RetainedGroup* group = retained.groups; group != nullptr; group = group->next) {
    group->is_defined = false;
    for (RetainedHost* host = group->newest; host != nullptr; host = host->older) {
      if (host->pid != 0) watch(retained, *group, *host, main, pconf);
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
  log_warnings(main);

  const Result<Retained*> found = find_or_create_retained(main);
  if (!found) return failed(found);
  Retained& retained = **found;
  dismiss_sweeper(retained);
  watch_old_hosts(retained, main, pconf);

  const std::string prefix = socket_prefix(pconf, main);
  if (!registry->all().empty() && !retained.has_started) {
    if (auto removed = os::remove_stale_sockets(prefix + "."); !removed) return removed;
  }
  for (Group& group : registry->all()) {
    const Result<void> started = start_group(retained, group, prefix, main, pconf);
    if (auto tolerated = tolerate(retained, main, started); !tolerated) return tolerated;
  }
  look_after_former_groups(retained, main);
  retained.has_started = true;
  return {};
}

void begin_configuration(apr_pool_t& pconf, apr_pool_t& plog) {
  apr_pool_cleanup_register(&pconf, &pconf, pool_cleanup<apr_pool_t, configuration_ends>,
                            apr_pool_cleanup_null);
  Retained* const retained = find_retained();
  if (retained != nullptr && retained->parent == ::getpid()) return_to_retained(*retained, plog);
}

void complete_configuration(apr_pool_t& plog) {
  Retained* const retained = find_retained();
  if (retained != nullptr && retained->parent == ::getpid()) prepare_for_absence(*retained, plog);
}

Result<void> look_after_hosts(apr_pool_t& pconf, server_rec& main) {
  Retained* const retained = find_retained();
  if (retained == nullptr || retained->parent != ::getpid()) return {};
  for (RetainedGroup* group = retained->groups; group != nullptr; group = group->next) {
    tidy(*retained, *group);
    start_missing_host(*retained, *group, main, pconf);
  }
  look_after_former_groups(*retained, main);
  return {};
}

void close_kept_descriptors() noexcept {
  Retained* const retained = find_retained();
  if (retained == nullptr) return;
  for (RetainedGroup* group = retained->groups; group != nullptr; group = group->next) {
    // Not the presence: it is what the host waits for the end of.
    close_in_child(*group, group->listener);
    close_in_child(*group, group->commands);
    close_in_child(*group, group->scoreboard);
    close_and_forget(group->presence_read);
    for (RetainedHost* host = group->newest; host != nullptr; host = host->older) close_host(*host);
  }
}

}  // namespace wsgix::httpd

// SPDX-License-Identifier: Apache-2.0
#include "host_settings.hpp"

#include <algorithm>

#include "check.hpp"
#include "host_paths.hpp"
#include "log.hpp"
#include "preloads.hpp"
#include "wsgix/base/clock.hpp"
#include "wsgix/config/paths.hpp"
#include "wsgix/os/error_log.hpp"

namespace wsgix::httpd {
namespace {

constexpr int kDebug = 7;  ///< httpd's trace levels are ours to nobody

void describe_httpd(config::HostSettings& settings) {
  ap_version_t version{};
  ap_get_server_revision(&version);
  settings.httpd_version[0] = static_cast<std::uint32_t>(version.major);
  settings.httpd_version[1] = static_cast<std::uint32_t>(version.minor);
  settings.httpd_version[2] = static_cast<std::uint32_t>(version.patch);
  settings.httpd_description = or_empty(ap_get_server_description());
  settings.mpm_name = or_empty(ap_show_mpm());
  settings.httpd_build_date = or_empty(ap_get_server_built());
  settings.httpd_maximum_processes = mpm_number(AP_MPMQ_MAX_DAEMONS, 1);
  settings.httpd_threads_per_process = mpm_number(AP_MPMQ_MAX_THREADS, 1);
}

void set_identity(config::HostSettings& settings, const Identity& identity) {
  settings.started_as_root = ::geteuid() == 0;
  settings.peer_uid = settings.started_as_root ? ap_unixd_config.user_id : ::geteuid();
  if (!settings.started_as_root) return;
  settings.uid = identity.uid;
  settings.gid = identity.gid;
  settings.supplementary_gids = identity.supplementary;
  settings.user_name = identity.user_name;
  settings.user_home = identity.user_home;
  settings.change_to_user_home = identity.uid != ap_unixd_config.user_id;
}

/// A script that is not below the jail is one of the jail already, as WSGIImportScript may name it.
std::vector<wsgi::OwnedScriptRef> as_seen_in_jail(const Group& group,
                                                  std::vector<wsgi::OwnedScriptRef> preloads) {
  const std::string& jail = group.settings.chroot;
  if (jail.empty()) return preloads;
  for (wsgi::OwnedScriptRef& preload : preloads) {
    const auto inside = config::path_in_jail(jail, preload.path);
    if (inside) preload.path = std::string(*inside);
  }
  return preloads;
}

}  // namespace

const server_rec& home_of(const Group& group, const server_rec& main) {
  return group.servers.size() == 1 ? *group.servers.front() : main;
}

int error_log_of(const server_rec& server) {
  apr_os_file_t number = -1;
  if (server.error_log == nullptr || apr_os_file_get(&number, server.error_log) != APR_SUCCESS) {
    return -1;
  }
  return number;
}

UniqueFd own_error_log(const server_rec& server) {
  const int shared = error_log_of(server);
  if (shared < 0) return {};
  Result<UniqueFd> own = os::open_anew(shared);
  if (own) return std::move(*own);
  log(server, LogLevel::Warning, own.error());
  return {};
}

config::HostSettings host_settings(const Group& group, const server_rec& main, int start_delay_ms) {
  const server_rec& home = home_of(group, main);
  const ServerConfig& config = config_of(main);
  config::HostSettings settings;
  settings.daemon = group.settings;
  settings.daemon.python_home = python_home_of(config, group.settings);
  set_identity(settings, group.identity);
  settings.script_uid = group.script_owner.uid;
  settings.script_gid = group.script_owner.gid;
  settings.socket_path = group.socket_path;
  settings.token = group.token;
  settings.server_name = or_empty(home.server_hostname);
  settings.log_level = std::min(ap_get_server_module_loglevel(&home, APLOG_MODULE_INDEX), kDebug);
  settings.socket_timeout = group.settings.socket_timeout > milliseconds::zero()
                                ? group.settings.socket_timeout
                                : milliseconds(apr_time_as_msec(home.timeout));
  settings.start_delay_ms = start_delay_ms;
  settings.runtime_directory = runtime_directory();
  settings.default_python = WSGIX_DEFAULT_LIBPYTHON;
  settings.python_environment = environment_of(config.python);
  settings.case_sensitive = config.case_sensitive;
  settings.restrict_signal = config.restrict_signal;
  settings.restrict_stdin = config.restrict_stdin;
  settings.restrict_stdout = config.restrict_stdout;
  describe_httpd(settings);
  settings.preloads = as_seen_in_jail(group, preloads_of(main, group.settings.name));
  return settings;
}

}  // namespace wsgix::httpd

// SPDX-License-Identifier: Apache-2.0
#include "check.hpp"

#include <sys/stat.h>

#include <cerrno>
#include <limits>

#include "grants.hpp"
#include "log.hpp"
#include "pool.hpp"
#include "preloads.hpp"
#include "wsgix/os/listener.hpp"
#include "wsgix/runtime/library.hpp"
#include "wsgix/wsgi/environ.hpp"

namespace wsgix::httpd {
namespace {

Result<void> check_jail(const Group& group) {
  const std::string& jail = group.settings.chroot;
  if (jail.empty()) return {};
  const std::string subject =
      "process group '" + group.settings.name + "' (" + group.place + "): chroot=" + jail;
  if (::geteuid() != 0) {
    return failed(ErrorCode::CannotUseDirectory, subject + " needs an httpd that root starts", 0,
                  "start httpd as root, or remove chroot=");
  }
  struct stat info {};
  if (::stat(jail.c_str(), &info) != 0) {
    return failed(ErrorCode::CannotUseDirectory, subject, errno,
                  "name a folder that exists with chroot=");
  }
  if (S_ISDIR(info.st_mode)) return {};
  return failed(ErrorCode::CannotUseDirectory, subject + " is not a directory", 0,
                "name a folder that exists with chroot=");
}

Result<void> check_script_owner(Group& group) {
  const Result<os::RequiredOwner> owner = resolve_script_owner(group.settings);
  if (!owner) {
    Error error = owner.error();
    error.what += " (" + group.place + ")";
    return Failed(std::move(error));
  }
  group.script_owner = *owner;
  return {};
}

Result<void> check_identity(Group& group) {
  // Without root the accounts are not applied, so a name that does not exist here is no error.
  if (::geteuid() != 0) return {};
  Result<Identity> identity = resolve_identity(group.settings);
  if (!identity) {
    Error error = identity.error();
    error.what += " (" + group.place + ")";
    return Failed(std::move(error));
  }
  group.identity = std::move(*identity);
  const Result<uid_t> socket_owner = resolve_socket_owner(group.settings);
  if (!socket_owner) return failed(socket_owner);
  return {};
}

/// Why the group's processes will not have a Python.
Result<void> find_python(const ServerConfig& main, const Group& group) {
  const std::string home = python_home_of(main, group.settings);
  const std::string& jail = group.settings.chroot;
  const Result<runtime::PythonChoice> choice =
      jail.empty() ? runtime::choose_python(home, WSGIX_DEFAULT_LIBPYTHON)
                   : runtime::choose_jailed_python(jail, home, WSGIX_DEFAULT_LIBPYTHON);
  if (!choice) return failed(choice);
  if (home.empty() || !jail.empty() || ::geteuid() != 0) return {};
  const auto check = [&group](const std::string& path) {
    return runtime::check_reachable(path, group.identity.uid, group.identity.gid,
                                    group.identity.supplementary);
  };
  const std::size_t first_folder = choice->program.empty() ? home.find(':') : std::string::npos;
  if (auto reachable = check(home.substr(0, first_folder)); !reachable) return reachable;
  // An environment is a few links and files: the Python that it was made with lies elsewhere.
  return choice->libpython.starts_with('/') ? check(choice->libpython) : Result<void>();
}

/// The other groups, and what httpd serves beside, need not suffer with it: its own requests are
/// answered with 500 and this line.
void warn_of_unusable_python(ServerConfig& main, const server_rec& server, const Group& group) {
  const Result<void> found = find_python(main, group);
  if (found) return;
  Error error = found.error();
  error.what = "process group '" + group.settings.name + "' (" + group.place + "): " + error.what +
               "; its requests will be answered with 500";
  main.warnings.push_back({&server, std::move(error)});
}

Result<void> check_socket_path(apr_pool_t& pool, const server_rec& main, const Group& group) {
  const std::string longest =
      socket_path(socket_prefix(pool, main), std::numeric_limits<pid_t>::max(), 9999);
  if (longest.size() <= os::longest_socket_path()) return {};
  return failed(ErrorCode::CannotCreateSocket,
                "process group '" + group.settings.name + "': the path of its socket, " + longest +
                    ", would have up to " + std::to_string(longest.size()) +
                    " bytes; the system takes at most " + std::to_string(os::longest_socket_path()),
                0, "name a shorter directory with WSGISocketPrefix");
}

/// A preload names its group in the configuration, so the group has to be there and usable.
Result<void> check_alias(const GroupRegistry& registry, server_rec& server,
                         const ScriptAlias& alias) {
  const bool preloads = alias.process_group && !alias.process_group->empty() &&
                        alias.application_group &&
                        wsgi::is_literal_group_name(*alias.process_group) &&
                        wsgi::is_literal_group_name(*alias.application_group);
  if (!preloads) return {};
  const Group* group = registry.find(*alias.process_group);
  if (group == nullptr) {
    return failed(ErrorCode::UnknownProcessGroup,
                  "WSGIScriptAlias " + alias.location + " (" + alias.place +
                      "): WSGI process group not yet configured: '" + *alias.process_group + "'");
  }
  if (!group->usable_by(server)) {
    return failed(ErrorCode::ForeignProcessGroup,
                  "WSGIScriptAlias " + alias.location + " (" + alias.place +
                      "): WSGI process group not accessible: '" + *alias.process_group +
                      "' belongs to another virtual host (" + group->place + ")");
  }
  return {};
}

Result<void> check_import(const GroupRegistry& registry, server_rec& server,
                          const ImportScript& import) {
  if (import.process_group->empty()) return {};
  const std::string subject = "WSGIImportScript " + import.script + " (" + import.place + "): ";
  const Group* group = registry.find(*import.process_group);
  if (group == nullptr) {
    return failed(
        ErrorCode::UnknownProcessGroup,
        subject + "WSGI process group not yet configured: '" + *import.process_group + "'");
  }
  if (group->usable_by(server)) return {};
  return failed(ErrorCode::ForeignProcessGroup,
                subject + "WSGI process group not accessible: '" + *import.process_group +
                    "' belongs to another virtual host (" + group->place + ")");
}

/// No request may be sent to a group that has no thread for it.
Result<void> check_mentions(const GroupRegistry& registry, const server_rec& server) {
  for (const GroupMention& mention : config_of(server).mentions) {
    const Group* group = registry.find(mention.name);
    if (group == nullptr || !group->is_service()) continue;
    return failed(ErrorCode::GroupServesNoRequests,
                  mention.directive + " '" + mention.name + "' (" + mention.place +
                      "): the group has threads=0 and serves no requests (" + group->place + ")");
  }
  return {};
}

void warn_of_idle_service(ServerConfig& config, const server_rec& main, const Group& group) {
  if (!group.is_service() || !imports_of(main, group.settings.name).empty()) return;
  config.warnings.push_back(
      {&main,
       {ErrorCode::ServiceWithoutScripts,
        "process group '" + group.settings.name + "' (" + group.place +
            ") has threads=0 and no WSGIImportScript: its processes end at once"}});
}

/// Only the kernel knows for certain; permission bits are what people get wrong.
void warn_of_hidden_scripts(ServerConfig& config, const server_rec& main, const Group& group) {
  if (::geteuid() != 0 || !group.settings.chroot.empty()) return;
  for (const wsgi::OwnedScriptRef& preload : preloads_of(main, group.settings.name)) {
    struct stat info {};
    if (::stat(preload.path.c_str(), &info) != 0) continue;
    const Result<void> reachable = runtime::check_reachable(
        preload.path, group.identity.uid, group.identity.gid, group.identity.supplementary);
    if (reachable) continue;
    config.warnings.push_back({&main,
                               {ErrorCode::ScriptUnreadable,
                                "process group '" + group.settings.name + "' (" + group.place +
                                    "): script " + reachable.error().what,
                                reachable.error().os_errno}});
  }
}

/// A target that depends on the request is not judged.
bool has_fixed_target(const ScriptAlias& alias) {
  return alias.pattern == nullptr || alias.target.find_first_of("$&") == std::string::npos;
}

void warn_of_missing_script(ServerConfig& main, const server_rec& server, const ScriptAlias& alias,
                            apr_pool_t& pool) {
  if (!has_fixed_target(alias)) return;
  // A target that ends in a slash is the beginning of many scripts' paths.
  apr_finfo_t info;
  if (apr_stat(&info, alias.target.c_str(), APR_FINFO_TYPE, &pool) == APR_SUCCESS) return;
  main.warnings.push_back(
      {&server,
       {ErrorCode::ScriptMissing, "WSGIScriptAlias " + alias.location + " (" + alias.place +
                                      ") names " + alias.target + ", which does not exist"}});
}

void warn_of_refused_scripts(ServerConfig& main, const server_rec& server) {
  const Grants grants(server);
  for (const ScriptAlias& alias : config_of(server).aliases) {
    if (!has_fixed_target(alias) || !grants.refuse(alias)) continue;
    main.warnings.push_back(
        {&server,
         {ErrorCode::ScriptNotGranted, "WSGIScriptAlias " + alias.location + " (" + alias.place +
                                           "): nothing grants access to " + alias.target +
                                           ", so that httpd will answer its requests with 403"}});
  }
}

void warn_of_missing_handlers(ServerConfig& main, const server_rec& server) {
  for (const HandlerScript* handler : config_of(server).handler_scripts) {
    struct stat info {};
    if (::stat(handler->script.c_str(), &info) == 0) continue;
    main.warnings.push_back({&server,
                             {ErrorCode::ScriptMissing,
                              "WSGIHandlerScript " + handler->handler + " (" + handler->place +
                                  ") names " + handler->script + ", which does not exist"}});
  }
}

void warn_of_unknown_groups(ServerConfig& main, const server_rec& server) {
  for (const GroupMention& mention : config_of(server).mentions) {
    if (mention.name.empty() || main.registry->find(mention.name) != nullptr) continue;
    main.warnings.push_back(
        {&server,
         {ErrorCode::UnknownProcessGroup,
          mention.directive + " '" + mention.name + "' (" + mention.place +
              "): no WSGIDaemonProcess has that name; requests that need it will be answered "
              "with 500"}});
  }
}

Result<void> check_server(apr_pool_t& pool, ServerConfig& main, const GroupRegistry& registry,
                          server_rec& server) {
  if (auto fine = check_mentions(registry, server); !fine) return fine;
  for (const ImportScript& import : config_of(server).imports) {
    if (auto fine = check_import(registry, server, import); !fine) return fine;
  }
  warn_of_unknown_groups(main, server);
  warn_of_missing_handlers(main, server);
  warn_of_refused_scripts(main, server);
  for (const ScriptAlias& alias : config_of(server).aliases) {
    if (auto fine = check_alias(registry, server, alias); !fine) return fine;
    warn_of_missing_script(main, server, alias, pool);
  }
  return {};
}

void warn_of_unusable_embedded_python(const server_rec& server, ServerConfig& main) {
  if (!main.python_home) return;
  const Result<runtime::PythonChoice> choice =
      runtime::choose_python(*main.python_home, WSGIX_DEFAULT_LIBPYTHON);
  if (choice) return;
  Error error = choice.error();
  error.what = "WSGIPythonHome (" + main.python_home_place + "): " + error.what +
               "; requests in embedded mode will be answered with 500";
  main.warnings.push_back({&server, std::move(error)});
}

Result<void> check_group(apr_pool_t& pool, const server_rec& main, Group& group) {
  if (auto fine = check_identity(group); !fine) return fine;
  if (auto fine = check_script_owner(group); !fine) return fine;
  if (auto fine = check_jail(group); !fine) return fine;
  return check_socket_path(pool, main, group);
}

Result<void> check_all(apr_pool_t& pool, server_rec& main) {
  ServerConfig& config = config_of(main);
  GroupRegistry& registry = *config.registry;
  if (auto gathered = GroupRegistry::gather(main, registry); !gathered) return gathered;
  for (const server_rec* server = &main; server != nullptr; server = server->next) {
    for (const Error& notice : config_of(*server).notices) {
      config.warnings.push_back({server, notice});
    }
  }
  warn_of_unusable_embedded_python(main, config);
  for (Group& group : registry.all()) {
    if (auto fine = check_group(pool, main, group); !fine) return fine;
    warn_of_unusable_python(config, main, group);
  }
  for (server_rec* server = &main; server != nullptr; server = server->next) {
    if (auto fine = check_server(pool, config, registry, *server); !fine) return fine;
  }
  for (const Group& group : registry.all()) {
    warn_of_idle_service(config, main, group);
    warn_of_hidden_scripts(config, main, group);
  }
  return {};
}

}  // namespace

std::string socket_prefix(apr_pool_t& pool, const server_rec& main) {
  const ServerConfig& config = config_of(main);
  if (config.socket_prefix) return *config.socket_prefix;
  return or_empty(ap_runtime_dir_relative(&pool, "wsgi"));
}

std::string socket_path(const std::string& prefix, pid_t parent, unsigned number) {
  return prefix + "." + std::to_string(parent) + "." + std::to_string(number) + ".sock";
}

std::string commands_path(const std::string& socket_path) {
  return socket_path.substr(0, socket_path.rfind('.')) + ".ctl";
}

std::string python_home_of(const ServerConfig& main, const config::DaemonSettings& settings) {
  if (!settings.python_home.empty()) return settings.python_home;
  return main.python_home.value_or(std::string());
}

Result<void> check_configuration(apr_pool_t& pconf, server_rec& main) {
  ServerConfig& config = config_of(main);
  config.registry = &make_in_pool<GroupRegistry>(&pconf);
  Result<void> fine = check_all(pconf, main);
  const bool starts = fine && ap_state_query(AP_SQ_RUN_MODE) == AP_SQ_RM_NORMAL;
  if (starts) return fine;
  // The logs of virtual hosts are not open: all of it goes where httpd's own refusals go.
  for (const Warning& warning : config.warnings) log(main, LogLevel::Warning, warning.error);
  return fine;
}

void log_warnings(const server_rec& main) {
  for (const Warning& warning : config_of(main).warnings) {
    log(*warning.server, LogLevel::Warning, warning.error);
  }
}

}  // namespace wsgix::httpd

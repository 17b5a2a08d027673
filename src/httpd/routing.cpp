// SPDX-License-Identifier: Apache-2.0
#include "routing.hpp"

#include <algorithm>
#include <cstdlib>

#include "mapping.hpp"
#include "wsgix/config/paths.hpp"
#include "wsgix/wsgi/environ.hpp"

namespace wsgix::httpd {
namespace {

std::string_view collapsed(request_rec& r, std::string_view path) {
  if (!wsgi::has_repeated_slash(path)) return path;
  const std::string one = wsgi::collapse_slashes(path);
  return {apr_pstrmemdup(r.pool, one.data(), one.size()), one.size()};
}

/// httpd's split of the decoded URI, which an SSI subrequest does differently.
void split_path(request_rec& r, Route& route) {
  const std::string_view uri = or_empty(r.uri);
  const bool has_info = is_set(r.path_info);
  const bool included = r.protocol != nullptr && std::string_view(r.protocol) == "INCLUDED";
  std::string_view script = uri;
  if (has_info && !included) {
    script = uri.substr(0, static_cast<std::size_t>(ap_find_path_info(r.uri, r.path_info)));
  }
  route.script_name = collapsed(r, script);
  route.path_info = has_info ? collapsed(r, r.path_info) : std::string_view();
}

std::optional<std::string_view> look_up(const request_rec& r, std::string_view name) {
  const std::string key(name);
  if (const char* value = apr_table_get(r.notes, key.c_str())) return value;
  if (const char* value = apr_table_get(r.subprocess_env, key.c_str())) return value;
  if (const char* value = std::getenv(key.c_str())) return value;
  return std::nullopt;
}

std::string_view lower_case(const request_rec& r, std::string_view text) {
  char* const copy = apr_pstrmemdup(r.pool, text.data(), text.size());
  ap_str_tolower(copy);
  return {copy, text.size()};
}

wsgi::GroupNameFacts facts_of(request_rec& r, const Route& route) {
  wsgi::GroupNameFacts facts;
  facts.server_name = or_empty(r.server->server_hostname);
  facts.request_host = is_set(r.hostname) ? r.hostname : or_empty(r.server->server_hostname);
  facts.port = ap_get_server_port(&r);
  facts.script_name = config_of(*ap_server_conf).case_sensitive ? route.script_name
                                                                : lower_case(r, route.script_name);
  facts.lookup = [&r](std::string_view name) { return look_up(r, name); };
  return facts;
}

/// The alias's own option, else what the directives say.
const char* chosen(const request_rec& r, const char* note, const char* directive,
                   const char* otherwise) {
  if (const char* own = apr_table_get(r.notes, note)) return own;
  return directive != nullptr ? directive : otherwise;
}

Result<const Group*> find_group(const request_rec& r, const std::string& name) {
  const GroupRegistry* registry = config_of(*ap_server_conf).registry;
  const Group* group = registry != nullptr ? registry->find(name) : nullptr;
  if (group == nullptr) {
    return failed(
        ErrorCode::UnknownProcessGroup,
        std::string(r.method) + " " + r.uri + ": no WSGIDaemonProcess is named '" + name + "'");
  }
  if (!group->usable_by(*r.server)) {
    return failed(ErrorCode::ForeignProcessGroup,
                  std::string(r.method) + " " + r.uri + ": process group '" + name +
                      "' belongs to another virtual host (" + group->place + ")");
  }
  if (group->is_service()) {
    return failed(ErrorCode::GroupServesNoRequests,
                  std::string(r.method) + " " + r.uri + ": process group '" + name +
                      "' has threads=0 and serves no requests (" + group->place + ")");
  }
  return group;
}

/// WSGIRestrictProcess: whatever a request or a file in its folder asks for, only these.
Result<void> check_allowed(const request_rec& r, const NameList* allowed, const std::string& name) {
  if (allowed == nullptr || std::count(allowed->begin(), allowed->end(), name) > 0) return {};
  const std::string shown =
      name.empty() ? "embedded mode (%{GLOBAL})" : "process group '" + name + "'";
  return failed(ErrorCode::ProcessGroupForbidden,
                std::string(r.method) + " " + r.uri + ": " + shown +
                    " is not one that WSGIRestrictProcess allows here");
}

Result<std::string_view> script_in_jail(const request_rec& r, const Group& group) {
  const std::string_view file = or_empty(r.filename);
  const std::string& jail = group.settings.chroot;
  if (jail.empty()) return file;
  if (const auto inside = config::path_in_jail(jail, file)) return *inside;
  return failed(ErrorCode::ScriptOutsideJail,
                std::string(r.method) + " " + r.uri + ": script " + std::string(file) +
                    " is not below chroot=" + jail + " of process group '" + group.settings.name +
                    "' (" + group.place + ")");
}

}  // namespace

Result<Route> route(request_rec& r) {
  const DirConfig& config = config_of(r);
  Route route;
  split_path(r, route);
  route.script_reloading = config.script_reloading.value_or(ScriptReloading::On);
  route.script_modified_us = std::max<std::int64_t>(r.finfo.mtime, 0);
  route.ignores_activity = config.ignore_activity.value_or(false);
  route.pass_apache_request = config.pass_apache_request.value_or(false);
  route.pass_authorization = config.pass_authorization.value_or(false);
  if (const char* own = apr_table_get(r.notes, kNotePassAuthorization)) {
    route.pass_authorization = *own == '1';
  }

  const wsgi::GroupNameFacts facts = facts_of(r, route);
  const char* const application_group =
      chosen(r, kNoteApplicationGroup, config.application_group, "%{RESOURCE}");
  route.application_group = wsgi::expand_group_name(application_group, facts);
  route.named_by_request = wsgi::is_named_by_request(application_group);
  route.callable =
      wsgi::expand_callable_name(chosen(r, kNoteCallable, config.callable, "application"), facts);
  route.script = or_empty(r.filename);
  const std::string group =
      wsgi::expand_group_name(chosen(r, kNoteProcessGroup, config.process_group, ""), facts);
  if (auto allowed = check_allowed(r, config.allowed_groups, group); !allowed) {
    return failed(allowed);
  }
  if (!group.empty()) {
    const Result<const Group*> found = find_group(r, group);
    if (!found) return failed(found);
    route.group = *found;
    const Result<std::string_view> script = script_in_jail(r, **found);
    if (!script) return failed(script);
    route.script = *script;
    route.deadline.span = (*found)->settings.request_deadline;
  } else if (route.script_reloading == ScriptReloading::Rolling) {
    route.script_reloading = ScriptReloading::On;  // no other process could take over from this one
  }
  if (config.request_deadline) route.deadline = *config.request_deadline;
  return route;
}

}  // namespace wsgix::httpd

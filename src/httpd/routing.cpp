// SPDX-License-Identifier: Apache-2.0
#include "routing.hpp"

#include <algorithm>
#include <cstdlib>

#include "mapping.hpp"
#include "wsgix/config/paths.hpp"
#include "wsgix/os/file_watch.hpp"
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

/// The option of the line that maps to the script, else what the directives say.
const char* chosen(const char* own, const char* directive, const char* otherwise) {
  if (own != nullptr) return own;
  return directive != nullptr ? directive : otherwise;
}

/// What is written for the request, before anything is expanded.
struct Written {
  const char* process_group;
  const char* application_group;
  const char* callable;
};

const char* text_of(const std::optional<std::string>& text) {
  return text ? text->c_str() : nullptr;
}

Written written_for(const request_rec& r, const DirConfig& config, const HandlerScript* handler) {
  const auto own = [&](const char* note, std::optional<std::string> RouteOptions::*option) {
    return handler != nullptr ? text_of(handler->*option) : apr_table_get(r.notes, note);
  };
  return {chosen(own(kNoteProcessGroup, &RouteOptions::process_group), config.process_group, ""),
          chosen(own(kNoteApplicationGroup, &RouteOptions::application_group),
                 config.application_group, "%{RESOURCE}"),
          chosen(own(kNoteCallable, &RouteOptions::callable), config.callable, "application")};
}

bool passes_authorization(const request_rec& r, const DirConfig& config,
                          const HandlerScript* handler) {
  const bool otherwise = config.pass_authorization.value_or(false);
  if (handler != nullptr) return handler->pass_authorization.value_or(otherwise);
  const char* const own = apr_table_get(r.notes, kNotePassAuthorization);
  return own != nullptr ? *own == '1' : otherwise;
}

/// Which file is executed, and which one the URL names.
void find_files(const request_rec& r, const HandlerScript* handler, Route& route) {
  route.resource = route.file = or_empty(r.filename);
  route.script_modified_us = std::max<std::int64_t>(r.finfo.mtime, 0);
  if (handler == nullptr) return;
  route.is_by_handler_script = true;
  route.file = handler->script;
  route.script_modified_us = os::modification_time_us(handler->script).value_or(0);
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

Result<std::string_view> script_in_jail(const request_rec& r, std::string_view file,
                                        const Group& group) {
  const std::string& jail = group.settings.chroot;
  if (jail.empty()) return file;
  if (const auto inside = config::path_in_jail(jail, file)) return *inside;
  return failed(ErrorCode::ScriptOutsideJail,
                std::string(r.method) + " " + r.uri + ": script " + std::string(file) +
                    " is not below chroot=" + jail + " of process group '" + group.settings.name +
                    "' (" + group.place + ")");
}

}  // namespace

Result<Route> route(request_rec& r, const HandlerScript* handler) {
  const DirConfig& config = config_of(r);
  Route route;
  split_path(r, route);
  find_files(r, handler, route);
  route.script_reloading = config.script_reloading.value_or(ScriptReloading::On);
  route.ignores_activity = config.ignore_activity.value_or(false);
  route.pass_apache_request = config.pass_apache_request.value_or(false);
  route.pass_authorization = passes_authorization(r, config, handler);

  const Written written = written_for(r, config, handler);
  const wsgi::GroupNameFacts facts = facts_of(r, route);
  route.application_group = wsgi::expand_group_name(written.application_group, facts);
  route.named_by_request = wsgi::is_named_by_request(written.application_group);
  route.callable = wsgi::expand_callable_name(written.callable, facts);
  route.script = route.file;
  const std::string group = wsgi::expand_group_name(written.process_group, facts);
  if (auto allowed = check_allowed(r, config.allowed_groups, group); !allowed) {
    return failed(allowed);
  }
  if (!group.empty()) {
    const Result<const Group*> found = find_group(r, group);
    if (!found) return failed(found);
    route.group = *found;
    const Result<std::string_view> script = script_in_jail(r, route.file, **found);
    if (!script) return failed(script);
    route.script = *script;
    if (!route.is_by_handler_script) route.resource = *script;
    route.deadline.span = (*found)->settings.request_deadline;
  } else if (route.script_reloading == ScriptReloading::Rolling) {
    route.script_reloading = ScriptReloading::On;  // no other process could take over from this one
  }
  if (config.request_deadline) route.deadline = *config.request_deadline;
  return route;
}

}  // namespace wsgix::httpd

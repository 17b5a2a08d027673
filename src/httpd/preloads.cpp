// SPDX-License-Identifier: Apache-2.0
#include "preloads.hpp"

#include <sys/stat.h>

#include <algorithm>

#include "wsgix/config/paths.hpp"
#include "wsgix/wsgi/environ.hpp"

namespace wsgix::httpd {
namespace {

bool is_plain(const core_dir_config& section) {
  return section.d != nullptr && section.r == nullptr && section.d_is_fnmatch == 0;
}

template <typename Covers>
void merge_sections(const apr_array_header_t* sections, DirConfig& into, Covers covers) {
  if (sections == nullptr) return;
  for (int i = 0; i < sections->nelts; ++i) {
    ap_conf_vector_t* const section = APR_ARRAY_IDX(sections, i, ap_conf_vector_t*);
    const auto& core = *static_cast<const core_dir_config*>(ap_get_core_module_config(section));
    const void* own = ap_get_module_config(section, &wsgi_module);
    if (own != nullptr && is_plain(core) && covers(std::string_view(core.d))) {
      merge_into(into, *static_cast<const DirConfig*>(own));
    }
  }
}

/// What plain <Directory> and <Location> sections say about the script, without a request.
DirConfig static_config(const server_rec& server, const ScriptAlias& alias) {
  const void* defaults = ap_get_module_config(server.lookup_defaults, &wsgi_module);
  DirConfig config;
  if (defaults != nullptr) config = *static_cast<const DirConfig*>(defaults);
  const auto& core =
      *static_cast<const core_server_config*>(ap_get_core_module_config(server.module_config));
  const std::string_view target = alias.target;
  merge_sections(core.sec_dir, config,
                 [target](std::string_view folder) { return config::is_below(folder, target); });
  const std::string_view location = alias.location;
  merge_sections(core.sec_url, config, [location](std::string_view url) {
    return wsgi::match_alias(location, url) != 0;
  });
  return config;
}

/// Tokens that mean the same for every request of a virtual host with a name and a port.
std::optional<std::string> resolved(std::string_view value, const server_rec& server,
                                    const ScriptAlias& alias) {
  if (wsgi::is_literal_group_name(value)) return std::string(wsgi::literal_group_name(value));
  const bool by_resource = value == "%{RESOURCE}";
  if (!by_resource && value != "%{SERVER}") return std::nullopt;
  const unsigned port = server.port != 0          ? server.port
                        : server.addrs != nullptr ? server.addrs->host_port
                                                  : 0u;
  if (!server.is_virtual || server.server_hostname == nullptr || port == 0) return std::nullopt;
  if (by_resource && alias.pattern != nullptr) return std::nullopt;

  wsgi::GroupNameFacts facts;
  facts.server_name = server.server_hostname;
  facts.port = port;
  const std::string mount = wsgi::collapse_slashes(alias.location);
  facts.script_name =
      std::string_view(mount).substr(0, mount.ends_with('/') ? mount.size() - 1 : mount.size());
  return wsgi::expand_group_name(value, facts);
}

bool is_file(const std::string& path) {
  struct stat info {};
  return ::stat(path.c_str(), &info) == 0 && S_ISREG(info.st_mode);
}

std::string static_callable(const ScriptAlias& alias, const DirConfig& config) {
  const std::string written = alias.callable.value_or(or_empty(config.callable));
  return written.empty() || written.starts_with('%') ? "application" : written;
}

std::optional<wsgi::OwnedScriptRef> preload_of(const server_rec& server, const ScriptAlias& alias,
                                               std::string_view group) {
  const bool explicitly = alias.process_group && alias.application_group;
  if (group.empty() && !explicitly) return std::nullopt;
  const DirConfig config = static_config(server, alias);
  const std::string process_group = alias.process_group.value_or(or_empty(config.process_group));
  const auto in_group = resolved(process_group, server, alias);
  if (!in_group || *in_group != group) return std::nullopt;

  const std::string written = alias.application_group.value_or(
      config.application_group != nullptr ? config.application_group : "%{RESOURCE}");
  const auto application_group = resolved(written, server, alias);
  if (!application_group || !is_file(alias.target)) return std::nullopt;
  return wsgi::OwnedScriptRef{alias.target, *application_group, static_callable(alias, config)};
}

void add_once(std::vector<wsgi::OwnedScriptRef>& preloads, wsgi::OwnedScriptRef preload) {
  if (std::find(preloads.begin(), preloads.end(), preload) == preloads.end()) {
    preloads.push_back(std::move(preload));
  }
}

}  // namespace

std::vector<wsgi::OwnedScriptRef> imports_of(const server_rec& main, std::string_view group) {
  std::vector<wsgi::OwnedScriptRef> imports;
  for (const server_rec* server = &main; server != nullptr; server = server->next) {
    for (const ImportScript& import : config_of(*server).imports) {
      if (*import.process_group != group) continue;
      // No callable: an imported script need not be an application.
      add_once(imports, {import.script, *import.application_group, {}});
    }
  }
  return imports;
}

std::vector<wsgi::OwnedScriptRef> preloads_of(const server_rec& main, std::string_view group) {
  std::vector<wsgi::OwnedScriptRef> preloads = imports_of(main, group);
  for (const server_rec* server = &main; server != nullptr; server = server->next) {
    for (const ScriptAlias& alias : config_of(*server).aliases) {
      const auto preload = preload_of(*server, alias, group);
      if (preload) add_once(preloads, *preload);
    }
  }
  return preloads;
}

}  // namespace wsgix::httpd

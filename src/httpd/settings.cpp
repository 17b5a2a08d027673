// SPDX-License-Identifier: Apache-2.0
#include "settings.hpp"

#include <algorithm>

#include "pool.hpp"

namespace wsgix::httpd {
namespace {

template <typename T>
void prefer(std::optional<T>& outer, const std::optional<T>& inner) {
  if (inner) outer = inner;
}

template <typename T>
void prefer(T*& outer, T* inner) {
  if (inner != nullptr) outer = inner;
}

}  // namespace

std::string place_of(const cmd_parms& cmd) {
  if (cmd.directive == nullptr || cmd.directive->filename == nullptr) return "the configuration";
  return std::string(cmd.directive->filename) + ":" + std::to_string(cmd.directive->line_num);
}

DirConfig& config_of(ap_conf_vector_t& section) {
  return *static_cast<DirConfig*>(ap_get_module_config(&section, &wsgi_module));
}

const DirConfig& config_of(const request_rec& r) { return config_of(*r.per_dir_config); }

ServerConfig& config_of(server_rec& server) {
  return *static_cast<ServerConfig*>(ap_get_module_config(server.module_config, &wsgi_module));
}

const ServerConfig& config_of(const server_rec& server) {
  return *static_cast<const ServerConfig*>(
      ap_get_module_config(server.module_config, &wsgi_module));
}

const HandlerScript* find_handler_script(const DirConfig& config,
                                         std::string_view handler) noexcept {
  if (config.handler_scripts == nullptr) return nullptr;
  const auto found =
      std::find_if(config.handler_scripts->rbegin(), config.handler_scripts->rend(),
                   [&](const HandlerScript* one) { return one->handler == handler; });
  return found == config.handler_scripts->rend() ? nullptr : *found;
}

void merge_into(DirConfig& outer, const DirConfig& inner) {
  prefer(outer.process_group, inner.process_group);
  prefer(outer.application_group, inner.application_group);
  prefer(outer.callable, inner.callable);
  prefer(outer.script_reloading, inner.script_reloading);
  prefer(outer.request_deadline, inner.request_deadline);
  prefer(outer.pass_authorization, inner.pass_authorization);
  prefer(outer.chunked_request, inner.chunked_request);
  prefer(outer.trusted_proxies, inner.trusted_proxies);
  prefer(outer.trusted_proxy_headers, inner.trusted_proxy_headers);
  prefer(outer.map_head_to_get, inner.map_head_to_get);
  prefer(outer.error_override, inner.error_override);
  prefer(outer.local_redirect, inner.local_redirect);
  prefer(outer.allowed_groups, inner.allowed_groups);
  prefer(outer.handler_scripts, inner.handler_scripts);  // merge_dir_config() joins both lists
  prefer(outer.ignore_activity, inner.ignore_activity);
  prefer(outer.pass_apache_request, inner.pass_apache_request);
}

// Only exhausted memory can throw in these four, and httpd has no way on from there either.

void* create_dir_config(apr_pool_t* pool, char*) noexcept { return &make_in_pool<DirConfig>(pool); }

void* merge_dir_config(apr_pool_t* pool, void* outer, void* inner) noexcept {
  DirConfig& merged = make_in_pool<DirConfig>(pool, *static_cast<const DirConfig*>(outer));
  merge_into(merged, *static_cast<const DirConfig*>(inner));
  const HandlerScripts* const before = static_cast<const DirConfig*>(outer)->handler_scripts;
  if (before != nullptr && merged.handler_scripts != before) {
    HandlerScripts& both = make_in_pool<HandlerScripts>(pool, *before);
    both.insert(both.end(), merged.handler_scripts->begin(), merged.handler_scripts->end());
    merged.handler_scripts = &both;
  }
  return &merged;
}

void* create_server_config(apr_pool_t* pool, server_rec*) noexcept {
  return &make_in_pool<ServerConfig>(pool);
}

/// Whoever needs what the main server says asks the main server: thousands of aliases are not
/// copied into hundreds of virtual hosts.
void* merge_server_config(apr_pool_t*, void*, void* virtual_host) noexcept { return virtual_host; }

}  // namespace wsgix::httpd

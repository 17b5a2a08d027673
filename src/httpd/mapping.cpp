// SPDX-License-Identifier: Apache-2.0
// From URL to script: the translate_name hook. The options of the alias that matched travel as
// request notes, so that internal redirects and other modules see what mod_wsgi shows them.
#include "mapping.hpp"

#include "wsgix/wsgi/environ.hpp"

namespace wsgix::httpd {
namespace {

void note(request_rec& r, const char* name, const std::optional<std::string>& value) {
  if (value) apr_table_setn(r.notes, name, value->c_str());
}

/// The file that the alias stands for, or nullptr when it does not match.
const char* target_of(request_rec& r, const ScriptAlias& alias) {
  const std::string_view uri = r.uri;
  if (alias.pattern == nullptr) {
    if (alias.location == "/") return apr_pstrcat(r.pool, alias.target.c_str(), r.uri, nullptr);
    const std::size_t matched = wsgi::match_alias(uri, alias.location);
    if (matched == 0) return nullptr;
    return apr_pstrcat(r.pool, alias.target.c_str(), r.uri + matched, nullptr);
  }
  ap_regmatch_t matches[AP_MAX_REG_MATCH];
  if (ap_regexec(alias.pattern, r.uri, AP_MAX_REG_MATCH, matches, 0) != 0) return nullptr;
  const auto end = static_cast<std::size_t>(matches[0].rm_eo);
  if (end == 0) return nullptr;
  const char* target = ap_pregsub(r.pool, alias.target.c_str(), r.uri, AP_MAX_REG_MATCH, matches);
  return target == nullptr ? nullptr : apr_pstrcat(r.pool, target, r.uri + end, nullptr);
}

void map_to(request_rec& r, const ScriptAlias& alias, const char* target) {
  r.filename = const_cast<char*>(target);
  r.handler = kScriptHandler;
  apr_table_setn(r.notes, "alias-forced-type", kScriptHandler);
  note(r, kNoteProcessGroup, alias.process_group);
  note(r, kNoteApplicationGroup, alias.application_group);
  note(r, kNoteCallable, alias.callable);
  if (alias.pass_authorization) {
    apr_table_setn(r.notes, kNotePassAuthorization, *alias.pass_authorization ? "1" : "0");
  }
}

/// By the first alias of that server that matches.
bool map_by(const ServerConfig& config, request_rec& r) {
  return config.alias_index.visit_candidates(r.uri, [&](std::size_t position) {
    const ScriptAlias& alias = config.aliases[position];
    const char* const target = target_of(r, alias);
    if (target != nullptr) map_to(r, alias, target);
    return target != nullptr;
  });
}

}  // namespace

bool is_script_alias(const request_rec& r) {
  const char* forced = apr_table_get(r.notes, "alias-forced-type");
  return forced != nullptr && std::string_view(forced) == kScriptHandler;
}

Result<Outcome> translate_name(request_rec& r) {
  if (r.uri == nullptr || (*r.uri != '/' && *r.uri != '\0')) return Outcome{DECLINED};
  // First match wins, and a virtual host's own aliases come before the main server's.
  const bool is_mapped = map_by(config_of(*r.server), r) ||
                         (r.server != ap_server_conf && map_by(config_of(*ap_server_conf), r));
  return Outcome{is_mapped ? OK : DECLINED};
}

}  // namespace wsgix::httpd

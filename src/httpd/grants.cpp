// SPDX-License-Identifier: Apache-2.0
#include "grants.hpp"

#include <algorithm>

#include "wsgix/config/paths.hpp"
#include "wsgix/wsgi/environ.hpp"

namespace wsgix::httpd {
namespace {

bool is_named(const ap_directive_t& node, std::string_view name) {
  return node.directive != nullptr && wsgi::equals_ignoring_case(node.directive, name);
}

/// <RequireAny> and its like: what they hold is one requirement of the section around them.
bool is_requirement(const ap_directive_t& node) {
  return is_named(node, "<RequireAny") || is_named(node, "<RequireAll");
}

bool is_section(const ap_directive_t& node) {
  return node.directive != nullptr && *node.directive == '<';
}

/// The argument of "<Directory /srv/app>", as it is written between quotes.
std::string_view path_of(const ap_directive_t& section) {
  std::string_view text = or_empty(section.args);
  text = text.substr(0, std::min(text.rfind('>'), text.size()));
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  if (text.size() >= 2 && (text.front() == '"' || text.front() == '\'') &&
      text.back() == text.front()) {
    text = text.substr(1, text.size() - 2);
  }
  return text;
}

/// Not a pattern, whose reach this does not judge.
bool is_plain(std::string_view path) {
  return path.starts_with('/') && path.find_first_of("*?[") == std::string_view::npos;
}

/// Access can be granted by files that are read with the request.
bool lets_htaccess_grant(const ap_directive_t& node) {
  if (is_named(node, "AllowOverrideList")) return true;
  if (!is_named(node, "AllowOverride")) return false;
  const std::string_view what = or_empty(node.args);
  return !wsgi::equals_ignoring_case(what, "None");
}

}  // namespace

Grants::Grants(const server_rec& server) {
  for (const ap_directive_t* node = ap_conftree; node != nullptr; node = node->next) {
    if (!is_named(*node, "<VirtualHost")) continue;
    const bool is_own = server.is_virtual && server.defn_name != nullptr &&
                        std::string_view(or_empty(node->filename)) == server.defn_name &&
                        static_cast<unsigned>(node->line_num) == server.defn_line_number;
    if (is_own) read(node->first_child);
  }
  read(ap_conftree);
}

void Grants::read(const ap_directive_t* nodes) {
  for (const ap_directive_t* node = nodes; node != nullptr; node = node->next) {
    if (is_section(*node) && !is_named(*node, "<VirtualHost")) read_section(*node);
  }
}

void Grants::read_section(const ap_directive_t& section) {
  const Says says = says_of(section.first_child);
  if (says == Says::Nothing) return;
  const std::string_view path = path_of(section);
  if (is_named(section, "<Directory") && is_plain(path)) {
    folders_.push_back({path, says});
  } else if (says == Says::Something && is_named(section, "<Location") && is_plain(path)) {
    granted_urls_.push_back(path);
  } else if (says == Says::Something && !is_named(section, "<Proxy") &&
             !is_named(section, "<ProxyMatch")) {
    may_be_granted_ = true;
  }
}

Grants::Says Grants::says_of(const ap_directive_t* nodes) {
  Says found = Says::Nothing;
  for (const ap_directive_t* node = nodes; node != nullptr; node = node->next) {
    const bool denies = is_named(*node, "Require") &&
                        wsgi::equals_ignoring_case(or_empty(node->args), "all denied");
    const bool says_more = is_named(*node, "Require") || is_named(*node, "Allow") ||
                           is_named(*node, "Order") || is_named(*node, "Satisfy") ||
                           is_named(*node, "AuthMerging") || lets_htaccess_grant(*node);
    Says one = denies ? Says::Denied : says_more ? Says::Something : Says::Nothing;
    if (is_section(*node)) {
      one = says_of(node->first_child);
      // A file or a method that is denied inside a folder is a part of it.
      if (one == Says::Denied && !is_requirement(*node)) one = Says::Nothing;
    }
    found = std::max(found, one);
  }
  return found;
}

bool Grants::refuse(const ScriptAlias& alias) const {
  if (may_be_granted_) return false;
  for (const std::string_view url : granted_urls_) {
    if (alias.pattern != nullptr || url == "/" || wsgi::match_alias(alias.location, url) != 0) {
      return false;
    }
  }
  const std::string_view file = alias.target;
  const Folder* innermost = nullptr;
  for (const Folder& folder : folders_) {
    // The target may be a folder of scripts: one below it may be granted.
    if (folder.says == Says::Something && config::is_below(file, folder.path)) return false;
    if (!config::is_below(folder.path, file)) continue;
    if (innermost == nullptr || folder.path.size() >= innermost->path.size()) innermost = &folder;
  }
  return innermost != nullptr && innermost->says == Says::Denied;
}

}  // namespace wsgix::httpd

// SPDX-License-Identifier: Apache-2.0
// httpd/routing.hpp: which group, interpreter and callable serve a request.
#pragma once

#include <string>
#include <string_view>

#include "groups.hpp"

namespace wsgix::httpd {

struct Route {
  const Group* group = nullptr;  ///< nullptr: embedded mode
  std::string application_group;
  bool named_by_request = false;  ///< the application group
  std::string callable;
  ScriptReloading script_reloading = ScriptReloading::On;
  std::int64_t script_modified_us = 0;  ///< 0: unknown
  RequestDeadline deadline;
  bool pass_authorization = false;
  bool ignores_activity = false;     ///< WSGIIgnoreActivity
  bool pass_apache_request = false;  ///< embedded mode
  // Views of the request's own memory, or of the request's pool.
  std::string_view script;    ///< its file, as the process that executes it sees it
  std::string_view file;      ///< the same, as httpd sees it
  std::string_view resource;  ///< what the URL names: the script, but with WSGIHandlerScript
  std::string_view script_name;
  std::string_view path_info;
  bool is_by_handler_script = false;

  /// Borrows from this route.
  wsgi::ScriptRef script_ref() const noexcept {
    return {script,           application_group, callable,
            script_reloading, named_by_request,  script_modified_us};
  }
};

/// `handler`: of the WSGIHandlerScript that was chosen; nullptr: the URL names the script.
/// UnknownProcessGroup, ForeignProcessGroup, ProcessGroupForbidden, GroupServesNoRequests or
/// ScriptOutsideJail when the request cannot be served.
Result<Route> route(request_rec& r, const HandlerScript* handler);

}  // namespace wsgix::httpd

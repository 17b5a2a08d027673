// SPDX-License-Identifier: Apache-2.0
// httpd/mapping.hpp: which URLs are scripts.
#pragma once

#include "trampoline.hpp"

namespace wsgix::httpd {

inline constexpr char kScriptHandler[] = "wsgi-script";
inline constexpr char kScriptHandlerType[] = "application/x-httpd-wsgi";

inline constexpr char kNoteProcessGroup[] = "mod_wsgi.process_group";
inline constexpr char kNoteApplicationGroup[] = "mod_wsgi.application_group";
inline constexpr char kNoteCallable[] = "mod_wsgi.callable_object";
inline constexpr char kNotePassAuthorization[] = "mod_wsgi.pass_authorization";

/// The translate_name hook.
Result<Outcome> translate_name(request_rec& r);
/// Did a WSGIScriptAlias choose this script? Then ExecCGI is not needed.
bool is_script_alias(const request_rec& r);

}  // namespace wsgix::httpd

// SPDX-License-Identifier: Apache-2.0
// httpd/preloads.hpp: which scripts a process can load before the first request names them.
#pragma once

#include <string_view>
#include <vector>

#include "settings.hpp"

namespace wsgix::httpd {

/// The scripts of WSGIImportScript, in the order written: without a callable.
std::vector<wsgi::OwnedScriptRef> imports_of(const server_rec& main, std::string_view group);

/// Those, and for a group: every script whose group and interpreter the configuration decides
/// without a request. For embedded mode (an empty name): only those that say both in their alias.
/// Outside the contract's own case it is a hint: a wrong guess costs memory, a missed one a slow
/// first request.
std::vector<wsgi::OwnedScriptRef> preloads_of(const server_rec& main, std::string_view group);

}  // namespace wsgix::httpd

// SPDX-License-Identifier: Apache-2.0
// httpd/host_paths.hpp: where wsgix-host and the runtime libraries are.
#pragma once

#include <string>

namespace wsgix::httpd {

/// Beside mod_wsgi.so when they are there (a build tree), else where they were installed.
std::string host_program();
std::string runtime_directory();

}  // namespace wsgix::httpd

// SPDX-License-Identifier: Apache-2.0
// httpd/check.hpp: what the lines of a configuration mean together, looked at before httpd starts
// (and by "apachectl configtest").
#pragma once

#include <string>

#include "groups.hpp"

namespace wsgix::httpd {

/// The check_config hook: gathers the groups and refuses what cannot work. What is only strange is
/// kept as warnings, and shown now when this httpd does not start.
Result<void> check_configuration(apr_pool_t& pconf, server_rec& main);
/// Once all logs are open: each warning goes to the log of its server.
void log_warnings(const server_rec& main);

/// WSGISocketPrefix, or "wsgi" in httpd's runtime directory as the configuration left it.
std::string socket_prefix(apr_pool_t& pool, const server_rec& main);
/// The path of the socket that this httpd creates as its `number`th.
std::string socket_path(const std::string& prefix, pid_t parent, unsigned number);
/// Of the socket for `wsgix ctl` beside it.
std::string commands_path(const std::string& socket_path);

/// python-home= of the group, else WSGIPythonHome, else empty.
std::string python_home_of(const ServerConfig& main, const config::DaemonSettings& settings);

}  // namespace wsgix::httpd

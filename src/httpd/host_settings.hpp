// SPDX-License-Identifier: Apache-2.0
// httpd/host_settings.hpp: everything one host is told, gathered from httpd.
#pragma once

#include "groups.hpp"
#include "wsgix/base/unique_fd.hpp"

namespace wsgix::httpd {

/// The server whose name and error log the group has: a virtual host's when it alone defined it.
const server_rec& home_of(const Group& group, const server_rec& main);

config::HostSettings host_settings(const Group& group, const server_rec& main, int start_delay_ms);

/// The descriptor of that server's error log, -1 when it has none.
int error_log_of(const server_rec& server);
/// The same for a host: an open file description that is not httpd's. None when there is no log.
UniqueFd own_error_log(const server_rec& server);

}  // namespace wsgix::httpd

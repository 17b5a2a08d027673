// SPDX-License-Identifier: Apache-2.0
// httpd/hosts.hpp: the daemon groups as the httpd parent runs them: one wsgix-host each.
#pragma once

#include "groups.hpp"
#include "retained.hpp"

namespace wsgix::httpd {

/// The post_config hook: sockets, scoreboards and hosts of every group. Hosts of the previous
/// configuration serve until their successors are ready.
Result<void> start_hosts(apr_pool_t& pconf, server_rec& main);

/// The pre_config hook: when this configuration turns out to be httpd's last one, even before it
/// was read to its end, the hosts are stopped in order.
void begin_configuration(apr_pool_t& pconf, apr_pool_t& plog);
/// After the post_config hook: the next configuration may be without this module.
void complete_configuration(apr_pool_t& plog);

/// The monitor hook, every few seconds in the parent.
Result<void> look_after_hosts(apr_pool_t& pconf, server_rec& main);

/// In an httpd child: it must not hold the lifelines of hosts, or they would outlive the parent.
void close_kept_descriptors() noexcept;

}  // namespace wsgix::httpd

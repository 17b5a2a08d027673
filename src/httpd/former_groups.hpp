// SPDX-License-Identifier: Apache-2.0
// httpd/former_groups.hpp: groups that the present configuration does not have any more, or has
// with another identity. Their hosts serve what httpd's old children still send, and end.
#pragma once

#include <string>

#include "groups.hpp"
#include "retained.hpp"

namespace wsgix::httpd {

/// What a listener, a token and a scoreboard are made for: user, groups, jail, socket owner.
Result<std::string> identity_of(const Group& group);

/// The check_config hook: groups that the new configuration does not have with that identity leave.
/// Before other modules fork in their post_config hooks: those copies live as long as the new
/// configuration, and would count as processes of the old one.
Result<void> leave_former_groups(apr_pool_t& pconf, server_rec& main);

/// From now on no process that httpd starts knows the group.
void begin_end_of(RetainedGroup& group) noexcept;

/// Now and then: sockets that nobody can need any more are removed, hosts that have not ended in
/// time are ended, groups without hosts forgotten.
void look_after_former_groups(Retained& retained, const server_rec& main);

void remove_files(RetainedGroup& group) noexcept;

std::int64_t steady_ms() noexcept;

}  // namespace wsgix::httpd

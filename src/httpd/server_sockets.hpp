// SPDX-License-Identifier: Apache-2.0
// httpd/server_sockets.hpp: httpd's own sockets, which a process that an embedded application forks
// must not keep: with a listener the next start would find its address in use, and with a client's
// connection that client would wait for an end that never comes.
#pragma once

#include "httpd_api.hpp"

namespace wsgix::httpd {

/// In a new child, before any application runs there.
void remember_listeners() noexcept;
/// The pre_connection hook.
int remember_client(conn_rec* connection, void* socket) noexcept;

}  // namespace wsgix::httpd

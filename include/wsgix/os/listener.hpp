// SPDX-License-Identifier: Apache-2.0
// os/listener.hpp: the listening UNIX socket of a daemon group, as a file with an owner.
//
// Knows paths and file modes; neither frames nor groups.
#pragma once

#include <sys/types.h>

#include <optional>
#include <string>
#include <utility>

#include "wsgix/base/result.hpp"
#include "wsgix/base/unique_fd.hpp"

namespace wsgix::os {

/// The longest path that fits into a socket address. For configtest.
std::size_t longest_socket_path() noexcept;

/// Creates, binds (mode 0600, then `owner` when given) and listens. Non-blocking, close-on-exec.
/// A file that a dead process left there is replaced; a live listener is an error. Changes the
/// process's umask for the moment of bind(2): call it before there are threads.
Result<UniqueFd> listen_on(const std::string& path, int backlog,
                           std::optional<std::pair<uid_t, gid_t>> owner);

/// Removes every socket whose path begins with `prefix` and that nobody listens on any more.
/// A directory that does not exist holds none.
Result<void> remove_stale_sockets(const std::string& prefix);

}  // namespace wsgix::os

// SPDX-License-Identifier: Apache-2.0
// host/sweeper.hpp: the other life of this program: it removes the sockets that an httpd without
// the module has left behind.
#pragma once

namespace wsgix::host {

/// Descriptor 3 is a pipe that dismisses it with a byte; descriptor 4 and those after it belong to
/// one path each, which is removed when the pipe ends.
int sweep(int count, const char* const* paths);

}  // namespace wsgix::host

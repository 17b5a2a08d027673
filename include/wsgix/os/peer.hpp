// SPDX-License-Identifier: Apache-2.0
// os/peer.hpp: who is at the other end of a UNIX socket, by the kernel's word.
#pragma once

#include <sys/types.h>

#include "wsgix/base/result.hpp"

namespace wsgix::os {

struct Peer {
  pid_t pid;
  uid_t uid;
  gid_t gid;
};

/// The account that called connect(2), or listen(2) when asked about a listener's side.
Result<Peer> peer_of(int socket);

}  // namespace wsgix::os

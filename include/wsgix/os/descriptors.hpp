// SPDX-License-Identifier: Apache-2.0
// os/descriptors.hpp: pipes and socket pairs between processes of one family, and what of them
// an exec'd program may keep.
#pragma once

#include "wsgix/base/result.hpp"
#include "wsgix/base/unique_fd.hpp"

namespace wsgix::os {

struct Pipe {
  UniqueFd read_end;
  UniqueFd write_end;
};
/// Both ends close-on-exec and non-blocking.
Result<Pipe> make_pipe();
/// For what programs print: reading never waits, writing does, as programs expect. Both ends
/// close-on-exec.
Result<Pipe> make_output_pipe();

struct SocketPair {
  UniqueFd one;
  UniqueFd other;
};
/// Messages keep their boundaries (SOCK_SEQPACKET). Both ends close-on-exec and non-blocking.
Result<SocketPair> make_message_pair();

bool is_open(int fd) noexcept;
Result<void> set_close_on_exec(int fd);
/// Closes `first` and everything above it. Async-signal-safe.
void close_from(int first) noexcept;

/// True when every writer of the pipe has gone and nothing is left to read. Never waits.
bool has_ended(int pipe) noexcept;

}  // namespace wsgix::os

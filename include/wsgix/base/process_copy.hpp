// SPDX-License-Identifier: Apache-2.0
// base/process_copy.hpp: whether this process is a copy that an application made with fork().
//
// A copy shares every descriptor with the process that serves requests, and its thread stands in
// the middle of somebody's request: what it says there would reach a client as another answer.
#pragma once

namespace wsgix {

/// The calling process serves requests itself: what is forked from it from now on is a copy. Again
/// in a copy: that one is the original from then on. The runtime library has a state of its own.
void declare_original_process() noexcept;

/// One load from memory, on Linux: for the path of every request. False where nothing was ever
/// declared. Async-signal-safe.
bool this_process_is_a_copy() noexcept;

}  // namespace wsgix

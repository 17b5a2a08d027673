// SPDX-License-Identifier: Apache-2.0
// httpd/absence.hpp: what becomes of the groups when the next configuration does not load this
// module: no code of ours runs in the parent then.
//
// httpd clears the pool of its logs after it has read a configuration, when the modules of the old
// one are gone and those of the new one loaded. So the parent's descriptors of the groups hang on
// that pool, with cleanups of APR's own. A module that is loaded again moves them out of the way.
#pragma once

#include "retained.hpp"

namespace wsgix::httpd {

/// The pre_config hook, before the pool of the logs is cleared: what is kept stays open. After a
/// configuration without this module it is gone, and what was known of it is forgotten.
void return_to_retained(Retained& retained, apr_pool_t& plog);

/// The end of the post_config hook: from now on the next configuration may be without us.
void prepare_for_absence(Retained& retained, apr_pool_t& plog);

/// In an httpd child: closes one of the descriptors that prepare_for_absence() has seen to.
void close_in_child(RetainedGroup& group, int& fd) noexcept;

/// The end of a configuration, in the parent: a process of its own removes the groups' sockets once
/// nobody of httpd can need them, unless dismiss_sweeper() comes first.
void leave_sweeper(Retained& retained);
void dismiss_sweeper(Retained& retained) noexcept;

}  // namespace wsgix::httpd

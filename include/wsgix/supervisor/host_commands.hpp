// SPDX-License-Identifier: Apache-2.0
// supervisor/host_commands.hpp: what the httpd parent and the hosts of a group say to each other,
// one byte each, over the socket pair of a host (its retire pipe).
#pragma once

namespace wsgix::supervisor {

/// To a host, from the parent or from its successor.
enum class ToHost : char {
  Retire = 'r',     ///< another one serves: drain and end
  Overtaken = 'o',  ///< a newer one starts: who is not ready yet ends, who is waits for Retire
};

/// From a host to the parent.
enum class FromHost : char {
  Ready = 'R',  ///< every worker is ready: this is the one that a successor has to retire
};

}  // namespace wsgix::supervisor

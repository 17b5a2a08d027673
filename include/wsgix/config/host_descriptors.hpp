// SPDX-License-Identifier: Apache-2.0
// config/host_descriptors.hpp: the descriptors that the httpd parent leaves open in a wsgix-host.
#pragma once

#include <cstdint>

namespace wsgix::config {

/// The number of each in the host. The parent's launch() is indexed by them; docs/architecture.md
/// says the same in prose.
enum HostDescriptor : std::uint8_t {
  kNullDevice = 0,
  kOutput = 1,    ///< the error log
  kErrorLog = 2,  ///< likewise; workers have a pipe under both numbers
  kSettings = 3,  ///< sealed memory file with the encoded settings
  kListener = 4,
  kScoreboard = 5,
  kLifeline = 6,     ///< read end; its end means: httpd is gone
  kRetire = 7,       ///< supervisor/host_commands.hpp: ToHost in, FromHost out
  kHandover = 8,     ///< the predecessor's: takes ToHost::Retire; /dev/null: there is none
  kCommands = 9,     ///< listens for `wsgix ctl`
  kPresence = 10,    ///< read end; its end means: no process of httpd knows this listener any more
  kHostDescriptors,  ///< so many
};

}  // namespace wsgix::config

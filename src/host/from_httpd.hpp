// SPDX-License-Identifier: Apache-2.0
// host/from_httpd.hpp: what the httpd parent has left for this process: its descriptors, and the
// settings in a memory file.
#pragma once

#include "wsgix/config/daemon_settings.hpp"
#include "wsgix/config/host_descriptors.hpp"

namespace wsgix::host {

using enum config::HostDescriptor;

Result<config::HostSettings> read_settings(int descriptor);

}  // namespace wsgix::host

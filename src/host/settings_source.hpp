// SPDX-License-Identifier: Apache-2.0
// host/settings_source.hpp: the settings that the httpd parent left in a memory file.
#pragma once

#include "wsgix/config/daemon_settings.hpp"

namespace wsgix::host {

Result<config::HostSettings> read_settings(int descriptor);

}  // namespace wsgix::host

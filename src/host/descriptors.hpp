// SPDX-License-Identifier: Apache-2.0
// host/descriptors.hpp: what the httpd parent has left open for this process.
#pragma once

#include "wsgix/config/host_descriptors.hpp"

namespace wsgix::host {

using enum config::HostDescriptor;

}  // namespace wsgix::host

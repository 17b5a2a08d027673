// SPDX-License-Identifier: Apache-2.0
// config/warm_up.hpp: what warmup= of WSGIDaemonProcess names.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace wsgix::config {

/// A request that a new process answers before it serves.
struct WarmUpTarget {
  bool https = false;
  std::string host;   ///< as in a Host header, with the port if one was given; empty: not said
  std::string path;   ///< below the application's mount point; begins with /
  std::string query;  ///< without the question mark
  std::string server_name;  ///< the host without its port
  std::string server_port;  ///< that of the scheme when none was given

  bool operator==(const WarmUpTarget&) const = default;
};

/// "/path?query", or "http://host[:port]/path?query" for applications that look at the host.
/// Nothing for any other text, a percent sign in the path among it.
std::optional<WarmUpTarget> warm_up_target(std::string_view text);

}  // namespace wsgix::config

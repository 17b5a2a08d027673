// SPDX-License-Identifier: Apache-2.0
// host/descriptors.hpp: what each descriptor means that the httpd parent leaves open in a host.
#pragma once

namespace wsgix::host {

// 0 is /dev/null, 1 and 2 are the error log.
inline constexpr int kErrorLog = 2;
inline constexpr int kSettings = 3;  ///< sealed memory file with the encoded settings
inline constexpr int kListener = 4;
inline constexpr int kScoreboard = 5;
inline constexpr int kLifeline = 6;  ///< its end means: httpd is gone
inline constexpr int kRetire = 7;    ///< one byte means: a successor is ready, drain and end
inline constexpr int kHandover = 8;  ///< takes one byte when all workers are ready; may be closed
inline constexpr int kCommands = 9;  ///< listens for `wsgix ctl`
inline constexpr int kFirstUnused = 10;

}  // namespace wsgix::host

// SPDX-License-Identifier: Apache-2.0
// httpd/ending_text.hpp: the end of a request in daemon mode, in words for the error log.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "connection_pool.hpp"
#include "routing.hpp"
#include "wsgix/relay/ending.hpp"
#include "wsgix/relay/timers.hpp"

namespace wsgix::httpd {

/// What is known of a request while it ends.
struct EndingRequest {
  const request_rec& r;
  const Route& route;
  ConnectionPool& pool;
  const relay::Timers& timers;
  std::int64_t deadline_us;             ///< as the worker was told; 0: none
  std::optional<std::uint32_t> worker;  ///< pid of the one that has it; 0: it has not named itself
};

/// `failure`: what led here, where the ending has no words of its own.
Error describe(relay::Ending ending, const EndingRequest& request, const Error& failure);

}  // namespace wsgix::httpd

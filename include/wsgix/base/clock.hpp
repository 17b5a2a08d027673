// SPDX-License-Identifier: Apache-2.0
// base/clock.hpp: points in time that something has to happen by.
#pragma once

#include <algorithm>
#include <chrono>

namespace wsgix {

using Clock = std::chrono::steady_clock;
using Deadline = Clock::time_point;
using std::chrono::milliseconds;
using std::chrono::seconds;

inline constexpr Deadline kNever = Deadline::max();

inline Deadline after(Clock::duration span) { return Clock::now() + span; }

/// For poll(2): -1 for kNever, otherwise what is left, rounded up, at least 0.
inline int poll_timeout(Deadline deadline) {
  if (deadline == kNever) return -1;
  const auto left = std::chrono::ceil<milliseconds>(deadline - Clock::now()).count();
  return static_cast<int>(std::clamp<long long>(left, 0, 3'600'000));
}

}  // namespace wsgix

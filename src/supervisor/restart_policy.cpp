// SPDX-License-Identifier: Apache-2.0
#include "wsgix/supervisor/restart_policy.hpp"

#include <algorithm>
#include <iterator>

namespace wsgix::supervisor {
namespace {

constexpr milliseconds kDelays[] = {
    milliseconds(0),     milliseconds(250),    milliseconds(500),
    milliseconds(1'000), milliseconds(2'000),  milliseconds(4'000),
    milliseconds(8'000), milliseconds(16'000), milliseconds(30'000)};
constexpr std::size_t kLastAfterServing = 1;
constexpr std::size_t kLastAfterReady = 3;
static_assert(kDelays[kLastAfterReady] == seconds(1));

/// The step to take now; the next one is further unless it is the last.
std::size_t step_of(int& ends) {
  const auto step = std::min<std::size_t>(static_cast<std::size_t>(ends), std::size(kDelays) - 1);
  if (step + 1 < std::size(kDelays)) ++ends;
  return step;
}

}  // namespace

Clock::duration RestartPolicy::delay_after_end(Came how_far, Clock::duration lived) {
  if (how_far == Came::NeverUp) return kDelays[step_of(failures_)];
  failures_ = 0;
  if (lived >= kLongEnough) {
    early_ends_ = 0;
    return kDelays[0];
  }
  const std::size_t last = how_far == Came::ToServe ? kLastAfterServing : kLastAfterReady;
  return kDelays[std::min(step_of(early_ends_), last)];
}

}  // namespace wsgix::supervisor

// SPDX-License-Identifier: Apache-2.0
#include "wsgix/supervisor/restart_policy.hpp"

#include <iterator>

namespace wsgix::supervisor {
namespace {

constexpr milliseconds kDelays[] = {
    milliseconds(0),     milliseconds(250),    milliseconds(500),
    milliseconds(1'000), milliseconds(2'000),  milliseconds(4'000),
    milliseconds(8'000), milliseconds(16'000), milliseconds(30'000)};

}  // namespace

Clock::duration RestartPolicy::delay_after_end(Came how_far, Clock::duration lived) {
  if (how_far != Came::NeverUp && lived >= kLongEnough) {
    failures_ = 0;
    return kDelays[0];
  }
  const auto step =
      std::min<std::size_t>(static_cast<std::size_t>(failures_), std::size(kDelays) - 1);
  if (step + 1 < std::size(kDelays)) ++failures_;
  return how_far == Came::ToServe ? std::min(kDelays[step], kDelays[1]) : kDelays[step];
}

}  // namespace wsgix::supervisor

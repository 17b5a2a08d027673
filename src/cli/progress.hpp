// SPDX-License-Identifier: Apache-2.0
// cli/progress.hpp: whether a group has done what it was asked to, judged from two looks at it.
// Pure: reads no clock and asks nobody.
#pragma once

#include <string>

#include "wsgix/base/clock.hpp"
#include "wsgix/wire/group_status.hpp"

namespace wsgix::cli {

/// Every worker of `before` has been replaced, and all processes are ready.
bool is_reloaded(const wire::GroupStatus& before, const wire::GroupStatus& now);
/// As many workers serve as the group should have.
bool is_complete(const wire::GroupStatus& now);
/// No worker is left.
bool is_drained(const wire::GroupStatus& now);

/// The first worker that `before` does not have and that failed since; empty: none has.
std::string failed_start(const wire::GroupStatus& before, const wire::GroupStatus& now);

/// "1 of 2 workers ready; still there: 4711 (starting)"
std::string what_is_awaited(const wire::GroupStatus& now);

/// How long a command waits for its effect. Loading code and ending requests may take long, so
/// whoever says that one of them goes on gets more time; but not more than kLongest.
class Patience {
 public:
  static constexpr std::chrono::minutes kWithoutAChange{1};
  static constexpr std::chrono::minutes kLongest{10};
  static constexpr seconds kBetweenWords{10};

  explicit Patience(Deadline now) noexcept
      : end_(now + kLongest), changed_(now), next_word_(now + kBetweenWords) {}

  bool is_over(const wire::GroupStatus& status, Deadline now);
  bool is_time_to_speak(Deadline now) noexcept;

 private:
  Deadline end_;
  Deadline changed_;
  Deadline next_word_;
  std::string last_;
};

}  // namespace wsgix::cli

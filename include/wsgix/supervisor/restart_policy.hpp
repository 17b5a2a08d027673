// SPDX-License-Identifier: Apache-2.0
// supervisor/restart_policy.hpp: how long to wait before something that ended is started again.
//
// The httpd parent asks it about hosts, a host about its workers.
#pragma once

#include <cstdint>

#include "wsgix/base/clock.hpp"

namespace wsgix::supervisor {

class RestartPolicy {
 public:
  RestartPolicy() noexcept = default;
  /// `failures`: what failures_in_a_row() of an earlier policy said.
  explicit RestartPolicy(int failures) noexcept : failures_(failures) {}

  /// One that became ready and lived this long proves that starting works.
  static constexpr seconds kLongEnough{10};

  enum class Came : std::uint8_t {
    NeverUp,  ///< it did not become ready
    Up,       ///< it became ready
    ToServe,  ///< it has executed a request
  };
  /// After an end that nobody asked for. A failed start: 0, 0.25, 0.5, 1, 2, 4, 8, 16, then always
  /// 30 seconds. One that became ready proves that starting works, and whoever can make a worker
  /// crash, be it with its first request, must not keep the others waiting: at most 1 second, and
  /// 0.25 for one that has served.
  Clock::duration delay_after_end(Came how_far, Clock::duration lived);
  /// Starts that failed since the last one that did not.
  int failures_in_a_row() const noexcept { return failures_; }
  /// Ends soon after becoming ready.
  int early_ends_in_a_row() const noexcept { return early_ends_; }

 private:
  int failures_ = 0;
  int early_ends_ = 0;  ///< in a row, after becoming ready
};

}  // namespace wsgix::supervisor

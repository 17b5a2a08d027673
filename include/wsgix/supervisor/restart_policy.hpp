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
  /// After an end that nobody asked for: 0, 0.25, 0.5, 1, 2, 4, 8, 16, then always 30 seconds. One
  /// that has served is not what is broken: for it at most 0.25 seconds, or whoever can make a
  /// worker crash could keep the others waiting.
  Clock::duration delay_after_end(Came how_far, Clock::duration lived);
  int failures_in_a_row() const noexcept { return failures_; }

 private:
  int failures_ = 0;
};

}  // namespace wsgix::supervisor

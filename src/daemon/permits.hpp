// SPDX-License-Identifier: Apache-2.0
// daemon/permits.hpp: the right to run a request; there are as many as threads= says.
#pragma once

#include <atomic>
#include <utility>

namespace wsgix::daemon {

/// All members may be called from any thread.
class Permits {
 public:
  explicit Permits(int count) noexcept : free_(count) {}

  bool try_take() noexcept {
    int free = free_.load();
    while (free > 0) {
      if (free_.compare_exchange_weak(free, free - 1)) return true;
    }
    return false;
  }
  /// True: somebody waits for one, and it is the caller's duty to wake it.
  bool give_back() noexcept {
    free_.fetch_add(1);
    return awaited_.load() && awaited_.exchange(false);
  }
  /// To be called after try_take() failed. True: one is free by now, and nobody else will wake
  /// the caller's waiter.
  bool await_one() noexcept {
    // First the flag, then the look: a permit that is given back between the two is seen by one
    // of the two sides at least, and exchange() lets only one of them act.
    awaited_.store(true);
    return free_.load() > 0 && awaited_.exchange(false);
  }

 private:
  std::atomic<int> free_;
  std::atomic<bool> awaited_ = false;
};

}  // namespace wsgix::daemon

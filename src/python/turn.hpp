// SPDX-License-Identifier: Apache-2.0
// python/turn.hpp: one thread at a time inside an object that lives on a request's stack.
#pragma once

#include <atomic>
#include <chrono>
#include <thread>

#include "gil.hpp"

namespace wsgix::python {

/// Applications may hand wsgi.input or write() to another thread and wait for it. Two threads at
/// once are refused, and the request does not end while another thread is inside.
class Turn {
 public:
  /// Needs the GIL: so does whoever ends the object.
  bool try_take() noexcept { return !taken_.exchange(true); }
  void give_back() noexcept { taken_.store(false); }

  /// Called with the GIL, after the object can no longer be found by new users.
  void wait_until_free() const {
    while (taken_.load()) {
      const GilRelease no_gil;
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
  }

 private:
  std::atomic<bool> taken_ = false;
};

/// Holds the turn for a scope, when it was free.
class [[nodiscard]] TurnTaken {
 public:
  explicit TurnTaken(Turn& turn) noexcept : turn_(turn.try_take() ? &turn : nullptr) {}
  ~TurnTaken() {
    if (turn_) turn_->give_back();
  }
  TurnTaken(const TurnTaken&) = delete;
  TurnTaken& operator=(const TurnTaken&) = delete;
  explicit operator bool() const noexcept { return turn_ != nullptr; }

 private:
  Turn* turn_;
};

}  // namespace wsgix::python

// SPDX-License-Identifier: Apache-2.0
// os/poller.hpp: many threads wait together for many descriptors (epoll).
#pragma once

#include <optional>

#include "wsgix/base/clock.hpp"
#include "wsgix/base/result.hpp"
#include "wsgix/base/unique_fd.hpp"

namespace wsgix::os {

enum class Interest { Readable, Writable, Either };

/// Each report disarms its descriptor until rearm(): one thread at a time owns what it stands
/// for. Every member may be called from any thread. Closing a descriptor takes it out.
class Poller {
 public:
  static Result<Poller> create();

  Result<void> add(int fd, Interest interest, void* subject) noexcept;
  /// Also arms one that is armed already, for another interest.
  bool rearm(int fd, Interest interest, void* subject) noexcept;
  void remove(int fd) noexcept;

  /// Waits for one report and returns its subject; null at the deadline; nullopt once wake_all()
  /// was called.
  std::optional<void*> wait(Deadline deadline = kNever) noexcept;
  /// Every wait(), now and later, returns nullopt.
  void wake_all() noexcept;

 private:
  Poller(UniqueFd epoll, UniqueFd wake) noexcept
      : epoll_(std::move(epoll)), wake_(std::move(wake)) {}
  UniqueFd epoll_;
  UniqueFd wake_;
};

/// A descriptor that becomes readable, once, for a poll(2) of another thread.
class Event {
 public:
  static Result<Event> create();
  void raise() noexcept;
  int fd() const noexcept { return event_.get(); }

 private:
  explicit Event(UniqueFd event) noexcept : event_(std::move(event)) {}
  UniqueFd event_;
};

}  // namespace wsgix::os

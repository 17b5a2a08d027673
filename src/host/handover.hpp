// SPDX-License-Identifier: Apache-2.0
// host/handover.hpp: what this host, its predecessor and httpd's parent say to each other. What
// follows from it is supervisor::Succession's.
#pragma once

#include <cstdint>
#include <functional>
#include <utility>

#include "wsgix/base/unique_fd.hpp"
#include "wsgix/os/poll_set.hpp"

namespace wsgix::host {

/// Owns the retire pipe of this host and its end of the predecessor's. Both stay open until
/// close(): their numbers must not become another descriptor's.
class Handover {
 public:
  enum class News : std::uint8_t { None, Overtaken, Retire, Closed };

  Handover(UniqueFd retire, UniqueFd predecessor) noexcept
      : retire_(std::move(retire)), predecessor_(std::move(predecessor)) {}

  /// The first host of a group has nobody to take over from: there the parent leaves the null
  /// device.
  bool has_predecessor() const noexcept;
  /// Nobody reads the other end: the predecessor, and with it what it started, has ended.
  bool predecessor_has_ended() const noexcept;
  /// Also when it has been told, or has ended, already: that changes nothing.
  void retire_predecessor() const noexcept;
  void report_ready() const noexcept;

  void watch(os::PollSet& set, std::function<void()> on_news) const;
  void watch_predecessor(os::PollSet& set, std::function<void()> on_end) const;
  /// Nothing more comes after Retire and Closed.
  News take_news() noexcept;
  /// What take_news() would say.
  News look() const noexcept;
  void close() noexcept;

 private:
  News receive(int flags) const noexcept;

  UniqueFd retire_;
  UniqueFd predecessor_;
  bool is_over_ = false;
};

}  // namespace wsgix::host

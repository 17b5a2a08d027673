// SPDX-License-Identifier: Apache-2.0
// httpd/admission.hpp: how a request gets to a worker with a free thread, or learns that it does
// not.
#pragma once

#include <memory>
#include <optional>

#include "connection_pool.hpp"
#include "wsgix/relay/attempt.hpp"
#include "wsgix/relay/timers.hpp"
#include "wsgix/scoreboard/waiting.hpp"

namespace wsgix::httpd {

/// Of one request, over all of its attempts.
class Admission {
 public:
  Admission(ConnectionPool& pool, const relay::Timers& timers) noexcept
      : pool_(pool), timers_(timers) {}

  /// Before each attempt, when nobody has the request.
  relay::Step may_go_on_asking() const;
  /// A new connection into the group's backlog, where any worker with a free thread takes it.
  /// Waits until there is room. GoOn: `connection` is there.
  Result<relay::Step> connect(std::unique_ptr<Connection>& connection);
  /// The board shows from now on that it waits. False: so many wait already that it may not.
  bool join_queue();
  void leave_queue() noexcept { waiting_.reset(); }
  bool is_in_queue() const noexcept { return waiting_.has_value(); }
  /// While the request lies in the backlog.
  relay::Step look_at_queue(relay::Expired expired);
  /// Between two tries: the next one at once would find the same.
  static void rest() noexcept;
  /// In words that tell a full group from one that does not run.
  relay::Ending nobody_took_it() const noexcept;

 private:
  bool lets_others_go_first() const;

  ConnectionPool& pool_;
  const relay::Timers& timers_;
  std::optional<scoreboard::HeldWaitSlot> waiting_;
};

}  // namespace wsgix::httpd

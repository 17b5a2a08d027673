// SPDX-License-Identifier: Apache-2.0
#include "turn.hpp"

#include <algorithm>
#include <csignal>

#include "from_httpd.hpp"
#include "wsgix/base/clock.hpp"
#include "wsgix/os/descriptors.hpp"

namespace wsgix::host {
namespace {

constexpr milliseconds kLook{50};
/// For what a predecessor does beside the times of its group.
constexpr seconds kMargin{10};

/// A hint only: the application can write the board. A pid of another account is none of ours.
bool lives(const scoreboard::WorkerSlot& slot) {
  if (slot.state.load() == scoreboard::WorkerState::Free) return false;
  const auto pid = static_cast<pid_t>(slot.pid.load());
  return pid > 1 && ::kill(pid, 0) == 0;
}

struct Noticed {
  bool is_unwanted = false;  ///< httpd is gone, or nobody there knows this group
  bool has_news = false;     ///< of the handover
};

Noticed wait_until(const Handover& handover, Deadline end) {
  Noticed noticed;
  os::PollSet set;
  set.add(kLifeline, 0);
  set.add(kPresence, 0, [&] { noticed.is_unwanted = true; });
  handover.watch(set, [&] { noticed.has_news = true; });
  set.wait(end);
  noticed.is_unwanted = noticed.is_unwanted || os::has_ended(kLifeline);
  return noticed;
}

}  // namespace

bool wait_for_turn(const Handover& handover, milliseconds pause) {
  const Deadline turn = after(pause);
  while (Clock::now() < turn) {
    const Noticed noticed = wait_until(handover, turn);
    if (noticed.is_unwanted) return false;
    // Whoever is retired has something to pass on first: the supervision does that.
    if (noticed.has_news) return handover.look() != Handover::News::Overtaken;
  }
  return true;
}

bool outlive_predecessor(const Handover& handover, const config::DaemonSettings& daemon,
                         const scoreboard::Board& board) {
  const bool has_one = handover.has_predecessor();
  handover.retire_predecessor();
  const auto is_left = [&] {
    return (has_one && !handover.predecessor_has_ended()) ||
           std::any_of(board.workers.begin(), board.workers.end(), lives);
  };
  const bool has_limit = daemon.shutdown_timeout > milliseconds::zero();
  const Deadline end =
      has_limit ? after(daemon.graceful_timeout + daemon.shutdown_timeout + kMargin) : kNever;
  while (is_left() && Clock::now() < end) {
    const Noticed noticed = wait_until(handover, after(kLook));
    if (noticed.is_unwanted || noticed.has_news) return false;
  }
  return true;
}

}  // namespace wsgix::host

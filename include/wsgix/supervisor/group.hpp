// SPDX-License-Identifier: Apache-2.0
// supervisor/group.hpp: which workers of a group should exist, decided from what happened.
//
// Decides only: it makes no system call and reads no clock. Its caller tells it what happened and
// when, and then carries out the actions.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "wsgix/base/clock.hpp"
#include "wsgix/supervisor/lifecycle.hpp"
#include "wsgix/supervisor/restart_policy.hpp"

namespace wsgix::supervisor {

/// Counts up for the life of the host; never used twice, as a pid may be.
using WorkerId = std::uint32_t;

/// Why a worker has to end; None: nobody asked for it.
enum class Reason : std::uint8_t {
  None,
  Shutdown,
  ScriptReload,
  MaximumRequests,
  StartupTimeout,
  Replaced,
};

struct GroupLimits {
  int processes = 1;
  Clock::duration startup{};   ///< 0: no limit
  Clock::duration graceful{};  ///< for requests that run when a worker is replaced
  Clock::duration shutdown{};  ///< for the end of a worker after that; 0: no limit
};

struct Action {
  enum class Kind : std::uint8_t {
    Start,        ///< fork a worker with this id; start_failed() if that fails
    Retire,       ///< tell it to stop taking requests and to end
    Kill,         ///< end it now: it had its time
    ReportReady,  ///< every worker is ready, for the first time
    Finish,       ///< the group has ended as it was asked to
  };
  Kind kind;
  WorkerId worker = 0;

  bool operator==(const Action&) const = default;
};

struct WorkerView {
  State state;
  Reason reason;
  bool was_ready;
};

class Group {
 public:
  using Time = Clock::time_point;

  /// Nothing starts before `first_start`.
  Group(const GroupLimits& limits, Time first_start);

  // ---- what happened ----
  void worker_said_ready(WorkerId id, Time now);
  /// It has stopped taking requests on its own and is ending: a new one is needed at once.
  void worker_is_leaving(WorkerId id, Reason reason, Time now);
  /// It goes on until its successor is ready.
  void worker_wants_successor(WorkerId id, Reason reason, Time now);
  void worker_ended(WorkerId id, Time now);
  void start_failed(WorkerId id, Time now) { worker_ended(id, now); }
  /// A new worker for each, one by one.
  void replace_all(Time now);
  /// Requests that run may end; then the whole group does.
  void retire(Time now);
  /// Sooner than retire(): the whole end has the shutdown time.
  void terminate(Time now);
  void time_passed(Time now);

  // ---- what to do ----
  std::vector<Action> take_actions();
  /// When time_passed() is due; kNever when nothing waits.
  Time next_deadline() const;
  std::optional<WorkerView> find(WorkerId id) const;
  bool is_ending() const noexcept { return ending_; }
  int failures_in_a_row() const;

 private:
  struct Worker {
    WorkerId id = 0;
    State state = State::Starting;
    Reason reason = Reason::None;
    bool was_ready = false;
    Time started;
    Time deadline = kNever;
  };
  /// One of `processes` places. The successor takes over when it is ready.
  struct Seat {
    std::optional<Worker> holder;
    std::optional<Worker> successor;
    Reason wanted = Reason::None;  ///< why the holder is to be replaced while it serves
    RestartPolicy policy;
    Time next_start;
  };

  Worker start_worker(Time now);
  void ask_to_end(Worker worker, Reason reason, Time deadline, bool tell);
  void enforce(Worker& worker, Time now);
  void settle(Time now);
  void settle_seat(Seat& seat, Time now);
  void crown_successor(Seat& seat, Time now);
  void end_group(Reason reason, Clock::duration allowance, Time now);
  Time deadline_after(Time now, Clock::duration graceful) const;
  bool replacement_runs() const;
  template <typename Self, typename Visit>
  static void visit_workers(Self& self, Visit visit);

  GroupLimits limits_;
  std::vector<Seat> seats_;
  std::vector<Worker> leaving_;
  std::vector<Action> actions_;
  WorkerId last_id_ = 0;
  bool ending_ = false;
  bool finished_ = false;
  bool reported_ready_ = false;
};

}  // namespace wsgix::supervisor

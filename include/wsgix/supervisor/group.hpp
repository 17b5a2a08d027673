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
#include "wsgix/base/end_reason.hpp"
#include "wsgix/supervisor/lifecycle.hpp"
#include "wsgix/supervisor/restart_policy.hpp"
#include "wsgix/supervisor/succession.hpp"

namespace wsgix::supervisor {

/// Counts up for the life of the host; never used twice, as a pid may be.
using WorkerId = std::uint32_t;

struct GroupLimits {
  int processes = 1;
  Clock::duration startup{};                  ///< 0: no limit
  Clock::duration graceful{};                 ///< for requests that run when a worker is replaced
  std::optional<Clock::duration> eviction{};  ///< instead of it, when the operator asked
  Clock::duration shutdown{};                 ///< for the end of a worker after that; 0: no limit
  Clock::duration restart_interval{};         ///< 0: workers do not grow old
  bool is_service = false;                    ///< ready says nothing there: only a long life does
};

/// What a group begins with.
struct Origin {
  Clock::time_point first_start;    ///< nothing starts before
  bool predecessor_serves = false;  ///< an older host of the same group goes when this one is ready
  std::uint32_t generation = 1;
};

struct Action {
  enum class Kind : std::uint8_t {
    Start,        ///< fork a worker with this id; start_failed() if that fails
    Retire,       ///< tell it to stop taking requests and to end
    Serve,        ///< tell it to serve although it could not load everything
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
  EndReason reason;
  bool was_ready;
  std::uint32_t generation;
  EndReason instead_of;  ///< why the worker that it replaces is to end; None: it replaces nobody
};

class Group {
 public:
  using Time = Clock::time_point;

  Group(const GroupLimits& limits, const Origin& origin);

  // ---- what happened to a worker ----
  void worker_said_ready(WorkerId id, Time now);
  /// A script failed to load and it waits for a word: to end if somebody serves who has all of
  /// them, else to serve.
  void worker_cannot_load(WorkerId id, Time now);
  /// It has stopped taking requests on its own and is ending: a new one is needed at once, unless
  /// it `served` nobody.
  void worker_is_leaving(WorkerId id, EndReason reason, bool served, Time now);
  /// It goes on until its successor is ready.
  void worker_wants_successor(WorkerId id, EndReason reason, Time now);
  /// It must not live on: killed, then replaced.
  void kill_now(WorkerId id, EndReason reason, Time now);
  void worker_ended(WorkerId id, Time now);
  /// It has executed a request: a later crash is not for want of a working start.
  void worker_served(WorkerId id);
  void start_failed(WorkerId id, Time now) { worker_ended(id, now); }

  // ---- what happened to the group ----
  /// There is a newer generation of code or settings: a new worker for each that is older. A
  /// worker that became older while it started takes over all the same, and is then replaced.
  void reload(EndReason reason, Time now);
  void replace_all(Time now) { reload(EndReason::Replaced, now); }
  /// Requests that run may end; nothing starts until resume().
  void pause(Time now);
  void resume(Time now);
  /// The older host does not serve any more.
  void predecessor_ended(Time now);
  /// Requests that run may end; then the whole group does.
  void retire(Time now);
  /// There is a newer host. If this one is to end (see Succession), it does at once, and only
  /// requests that run in its ready workers get time.
  void overtaken(Time now);
  /// Sooner than retire(): the whole end has the shutdown time.
  void terminate(Time now);
  void time_passed(Time now);

  // ---- what to do ----
  std::vector<Action> take_actions();
  /// When time_passed() is due; kNever when nothing waits.
  Time next_deadline() const;
  std::optional<WorkerView> find(WorkerId id) const;
  const Succession& succession() const noexcept { return succession_; }
  bool is_ending() const noexcept { return succession_.is_ending(); }
  bool is_paused() const noexcept { return paused_; }
  std::uint32_t generation() const noexcept { return generation_; }
  int failures_in_a_row() const;
  /// How many seats may be replaced at the same time.
  std::size_t most_successors() const noexcept;

 private:
  friend struct GroupProbe;  // of the tests: tells apart what is alike from outside

  struct Worker {
    WorkerId id = 0;
    State state = State::Starting;
    EndReason reason = EndReason::None;
    EndReason instead_of = EndReason::None;
    bool was_ready = false;
    bool served = false;
    bool is_incomplete = false;  ///< it serves without having loaded everything
    std::uint32_t generation = 0;
    Time started;
    Time deadline = kNever;
    Time grows_old = kNever;
  };
  using MaybeWorker = std::optional<Worker>;
  /// One of `processes` places. The successor takes over when it is ready.
  struct Seat {
    MaybeWorker holder;
    MaybeWorker successor;
    EndReason wanted = EndReason::None;  ///< why this holder is to be replaced while it serves
    RestartPolicy policy;
    Time next_start;
  };

  Seat* seat_of(WorkerId id);
  static MaybeWorker& worker_in(Seat& seat, WorkerId id);
  Worker* find_leaving(WorkerId id);
  bool serves_everything() const;
  EndReason reason_to_replace(const Seat& seat) const;
  bool may_start_successor(const Seat& seat) const;
  Time next_start_in(const Seat& seat) const;

  void postpone(Seat& seat, const MaybeWorker& worker, Time now);
  void postpone_big(Seat& seat, Time now);
  void set_next_start(Seat& seat, const MaybeWorker& worker, Time when);
  Worker start_worker(Time now);
  void ask_to_end(Worker worker, EndReason reason, Time deadline, bool tell);
  void ask_all_to_end(EndReason reason, Time now);
  void end_group(EndReason reason, Time now);
  void kill(Worker& worker, EndReason reason);
  void enforce(Worker& worker, Time now);
  void settle(Time now);
  void promote_successor(Seat& seat, Time now);
  void fill_seat(Seat& seat, Time now);
  Time deadline_for(EndReason reason, Time now) const;
  Clock::duration jitter_of(const Seat& seat) const;
  std::size_t successors() const;
  template <typename Self, typename Visit>
  static void visit_workers(Self& self, Visit visit);

  GroupLimits limits_;
  Time first_start_;
  std::vector<Seat> seats_;
  std::vector<Worker> leaving_;
  std::vector<Action> actions_;
  /// Of successors in any seat: what made one fail makes the next one fail.
  RestartPolicy successor_policy_;
  Time next_successor_;
  WorkerId last_id_ = 0;
  std::uint32_t generation_;
  EndReason reload_reason_ = EndReason::None;
  Succession succession_;
  bool paused_ = false;
  bool finished_ = false;
};

}  // namespace wsgix::supervisor

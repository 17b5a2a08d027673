// SPDX-License-Identifier: Apache-2.0
#include "wsgix/supervisor/group.hpp"

#include <algorithm>
#include <utility>

namespace wsgix::supervisor {
namespace {

/// Loading the same code again at once would fail again.
constexpr seconds kLeastPauseAfterBrokenLoad{1};
/// Each allowed successor stands for so many seats.
constexpr std::size_t kSeatsPerSuccessor = 8;

}  // namespace

Group::Group(const GroupLimits& limits, const Origin& origin)
    : limits_(limits),
      first_start_(origin.first_start),
      seats_(static_cast<std::size_t>(limits.processes)),
      next_successor_(origin.first_start),
      generation_(origin.generation),
      succession_(origin.predecessor_serves) {
  for (Seat& seat : seats_) seat.next_start = first_start_;
}

// ---- finding ----

template <typename Self, typename Visit>
void Group::visit_workers(Self& self, Visit visit) {
  for (auto& seat : self.seats_) {
    if (seat.holder) visit(*seat.holder);
    if (seat.successor) visit(*seat.successor);
  }
  for (auto& worker : self.leaving_) visit(worker);
}

Group::Seat* Group::seat_of(WorkerId id) {
  const auto seat = std::find_if(seats_.begin(), seats_.end(), [id](const Seat& candidate) {
    return (candidate.holder && candidate.holder->id == id) ||
           (candidate.successor && candidate.successor->id == id);
  });
  return seat == seats_.end() ? nullptr : &*seat;
}

Group::MaybeWorker& Group::worker_in(Seat& seat, WorkerId id) {
  return seat.holder && seat.holder->id == id ? seat.holder : seat.successor;
}

Group::Worker* Group::find_leaving(WorkerId id) {
  const auto worker = std::find_if(leaving_.begin(), leaving_.end(),
                                   [id](const Worker& candidate) { return candidate.id == id; });
  return worker == leaving_.end() ? nullptr : &*worker;
}

bool Group::serves_everything() const {
  return std::any_of(seats_.begin(), seats_.end(), [](const Seat& seat) {
    return seat.holder && seat.holder->state == State::Ready && !seat.holder->is_incomplete;
  });
}

EndReason Group::reason_to_replace(const Seat& seat) const {
  if (!seat.holder || seat.wanted != EndReason::None) return seat.wanted;
  return seat.holder->generation != generation_ ? reload_reason_ : EndReason::None;
}

std::size_t Group::successors() const {
  return static_cast<std::size_t>(std::count_if(
      seats_.begin(), seats_.end(), [](const Seat& seat) { return seat.successor.has_value(); }));
}

std::size_t Group::most_successors() const noexcept {
  return std::max<std::size_t>(1, seats_.size() / kSeatsPerSuccessor);
}

bool Group::may_start_successor(const Seat& seat) const {
  return seat.holder && !seat.successor && reason_to_replace(seat) != EndReason::None &&
         successors() < most_successors();
}

Group::Time Group::next_start_in(const Seat& seat) const {
  return seat.holder ? std::max(seat.next_start, next_successor_) : seat.next_start;
}

// ---- what happened to a worker ----

void Group::worker_said_ready(WorkerId id, Time now) {
  const auto become_ready = [&](Worker& worker) {
    const auto state = next(worker.state, Event::SaidReady);
    if (!state) return false;  // says it twice
    worker.state = *state;
    worker.was_ready = true;
    if (worker.state == State::Ready) worker.deadline = kNever;
    return worker.state == State::Ready;
  };
  if (Worker* const worker = find_leaving(id)) become_ready(*worker);
  if (Seat* const seat = seat_of(id)) {
    MaybeWorker& worker = worker_in(*seat, id);
    if (become_ready(*worker)) {
      if (limits_.restart_interval > Clock::duration::zero()) {
        worker->grows_old = now + limits_.restart_interval + jitter_of(*seat);
      }
      if (&worker == &seat->successor) successor_policy_ = RestartPolicy();
    }
  }
  settle(now);
}

void Group::worker_cannot_load(WorkerId id, Time now) {
  Seat* const seat = seat_of(id);
  if (seat == nullptr) return;
  MaybeWorker& worker = worker_in(*seat, id);
  if (worker->state != State::Starting) return;
  if (!serves_everything() && !succession_.predecessor_serves()) {
    worker->is_incomplete = true;
    actions_.push_back({Action::Kind::Serve, id});
    return;
  }
  postpone(*seat, worker, now);
  const Time earliest = now + kLeastPauseAfterBrokenLoad;
  set_next_start(*seat, worker,
                 std::max(earliest, &worker == &seat->holder ? seat->next_start : next_successor_));
  ask_to_end(*std::exchange(worker, std::nullopt), EndReason::CannotLoad,
             deadline_for(EndReason::CannotLoad, now), true);
  settle(now);
}

void Group::worker_is_leaving(WorkerId id, EndReason reason, bool served, Time now) {
  if (Seat* const seat = seat_of(id)) {
    MaybeWorker& worker = worker_in(*seat, id);
    // It became ready and did its work: a changed script is no reason to hesitate. One that leaves
    // without a single request may do so for ever.
    if (served) {
      set_next_start(*seat, worker, now);
    } else {
      postpone(*seat, worker, now);
    }
    ask_to_end(*std::exchange(worker, std::nullopt), reason, deadline_for(reason, now), false);
  }
  settle(now);
}

void Group::worker_wants_successor(WorkerId id, EndReason reason, Time now) {
  Seat* const seat = seat_of(id);
  if (seat != nullptr && seat->holder && seat->holder->id == id) {
    if (seat->wanted == EndReason::None && reason == EndReason::MemoryRecycle) {
      postpone_big(*seat, now);
    }
    if (seat->wanted == EndReason::None || reason == EndReason::RequestTimeout)
      seat->wanted = reason;
  } else if (Worker* const worker = find_leaving(id);
             worker != nullptr && reason == EndReason::RequestTimeout && worker->reason != reason &&
             worker->state != State::Killed) {
    worker->reason = reason;
    worker->deadline = std::min(worker->deadline, deadline_for(reason, now));
  }
  settle(now);
}

void Group::worker_served(WorkerId id) {
  visit_workers(*this, [id](Worker& worker) {
    if (worker.id == id) worker.served = true;
  });
}

void Group::kill_now(WorkerId id, EndReason reason, Time now) {
  if (Seat* const seat = seat_of(id)) {
    MaybeWorker& worker = worker_in(*seat, id);
    postpone(*seat, worker, now);
    leaving_.push_back(*std::exchange(worker, std::nullopt));
  }
  if (Worker* const worker = find_leaving(id)) kill(*worker, reason);
  settle(now);
}

void Group::worker_ended(WorkerId id, Time now) {
  if (Seat* const seat = seat_of(id)) {
    MaybeWorker& worker = worker_in(*seat, id);
    postpone(*seat, worker, now);
    worker.reset();
  }
  std::erase_if(leaving_, [id](const Worker& worker) { return worker.id == id; });
  settle(now);
}

// ---- what happened to the group ----

void Group::reload(EndReason reason, Time now) {
  ++generation_;
  reload_reason_ = reason;
  // What failed until now may succeed.
  next_successor_ = std::max(now, first_start_);
  for (Seat& seat : seats_) seat.next_start = next_successor_;
  settle(now);
}

void Group::pause(Time now) {
  if (is_ending() || std::exchange(paused_, true)) return;
  ask_all_to_end(EndReason::Operator, now);
  settle(now);
}

void Group::resume(Time now) {
  if (!std::exchange(paused_, false)) return;
  for (Seat& seat : seats_) seat.next_start = std::max(now, first_start_);
  settle(now);
}

void Group::predecessor_ended(Time now) {
  if (!succession_.on_event(Succession::Event::PredecessorEnded)) return;
  for (Seat& seat : seats_) seat.next_start = std::max(now, first_start_);
  settle(now);
}

void Group::retire(Time now) { end_group(EndReason::Replaced, now); }

void Group::overtaken(Time now) {
  const auto event =
      serves_everything() ? Succession::Event::OvertakenAtWork : Succession::Event::Overtaken;
  if (!succession_.on_event(event)) return;
  end_group(EndReason::Replaced, now);
  for (Worker& worker : leaving_) {
    if (!worker.was_ready) kill(worker, EndReason::Replaced);
  }
}

void Group::terminate(Time now) { end_group(EndReason::Shutdown, now); }

void Group::time_passed(Time now) {
  visit_workers(*this, [&](Worker& worker) { enforce(worker, now); });
  for (Seat& seat : seats_) {
    if (seat.holder && seat.holder->grows_old <= now && seat.wanted == EndReason::None) {
      seat.wanted = EndReason::RestartInterval;
    }
  }
  settle(now);
}

// ---- what to do ----

std::vector<Action> Group::take_actions() { return std::exchange(actions_, {}); }

Group::Time Group::next_deadline() const {
  Time soonest = kNever;
  visit_workers(*this, [&](const Worker& worker) { soonest = std::min(soonest, worker.deadline); });
  if (is_ending() || paused_) return soonest;
  for (const Seat& seat : seats_) {
    if (!seat.holder || may_start_successor(seat)) soonest = std::min(soonest, next_start_in(seat));
    if (seat.holder && seat.wanted == EndReason::None) {
      soonest = std::min(soonest, seat.holder->grows_old);
    }
  }
  return soonest;
}

std::optional<WorkerView> Group::find(WorkerId id) const {
  std::optional<WorkerView> found;
  visit_workers(*this, [&](const Worker& worker) {
    if (worker.id != id) return;
    found = WorkerView{worker.state, worker.reason, worker.was_ready, worker.generation,
                       worker.instead_of};
  });
  return found;
}

int Group::failures_in_a_row() const {
  int most = successor_policy_.failures_in_a_row();
  for (const Seat& seat : seats_) most = std::max(most, seat.policy.failures_in_a_row());
  return most;
}

}  // namespace wsgix::supervisor

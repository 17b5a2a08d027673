// SPDX-License-Identifier: Apache-2.0
#include "wsgix/supervisor/group.hpp"

#include <algorithm>
#include <utility>

namespace wsgix::supervisor {
namespace {

/// A worker that is still importing has no request to finish and does not hear us yet.
constexpr seconds kStartingGrace{1};
/// For what will not end by itself, where shutdown-timeout=0 sets no limit.
constexpr seconds kStuckGrace{5};
/// Loading the same code again at once would fail again.
constexpr seconds kLeastPauseAfterBrokenLoad{1};
/// Each allowed successor stands for so many seats.
constexpr std::size_t kSeatsPerSuccessor = 8;

bool ends_without_help(Reason reason) {
  return reason != Reason::RequestTimeout && reason != Reason::DeadlockTimeout &&
         reason != Reason::CannotLoad;
}

}  // namespace

Group::Group(const GroupLimits& limits, const Origin& origin)
    : limits_(limits),
      first_start_(origin.first_start),
      seats_(static_cast<std::size_t>(limits.processes)),
      next_successor_(origin.first_start),
      generation_(origin.generation),
      predecessor_serves_(origin.predecessor_serves) {
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

Group::Place& Group::place_of(Seat& seat, WorkerId id) {
  return seat.holder && seat.holder->id == id ? seat.holder : seat.successor;
}

Group::Worker* Group::find_leaving(WorkerId id) {
  const auto worker = std::find_if(leaving_.begin(), leaving_.end(),
                                   [id](const Worker& candidate) { return candidate.id == id; });
  return worker == leaving_.end() ? nullptr : &*worker;
}

bool Group::everything_is_served() const {
  return predecessor_serves_ || std::any_of(seats_.begin(), seats_.end(), [](const Seat& seat) {
           return seat.holder && seat.holder->state == State::Ready && !seat.holder->is_incomplete;
         });
}

Reason Group::reason_to_replace(const Seat& seat) const {
  if (!seat.holder || seat.wanted != Reason::None) return seat.wanted;
  return seat.holder->generation != generation_ ? reload_reason_ : Reason::None;
}

std::size_t Group::successors() const {
  return static_cast<std::size_t>(std::count_if(
      seats_.begin(), seats_.end(), [](const Seat& seat) { return seat.successor.has_value(); }));
}

std::size_t Group::most_successors() const noexcept {
  return std::max<std::size_t>(1, seats_.size() / kSeatsPerSuccessor);
}

bool Group::may_start_successor(const Seat& seat) const {
  return seat.holder && !seat.successor && reason_to_replace(seat) != Reason::None &&
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
    Place& place = place_of(*seat, id);
    if (become_ready(*place)) {
      if (limits_.restart_interval > Clock::duration::zero()) {
        place->grows_old = now + limits_.restart_interval + jitter_of(*seat);
      }
      if (&place == &seat->successor) successor_policy_ = RestartPolicy();
    }
  }
  settle(now);
}

void Group::worker_cannot_load(WorkerId id, Time now) {
  Seat* const seat = seat_of(id);
  if (seat == nullptr) return;
  Place& place = place_of(*seat, id);
  if (place->state != State::Starting) return;
  if (!everything_is_served()) {
    place->is_incomplete = true;
    actions_.push_back({Action::Kind::Serve, id});
    return;
  }
  postpone(*seat, place, now);
  const Time earliest = now + kLeastPauseAfterBrokenLoad;
  set_next_start(*seat, place,
                 std::max(earliest, &place == &seat->holder ? seat->next_start : next_successor_));
  ask_to_end(*std::exchange(place, std::nullopt), Reason::CannotLoad,
             deadline_for(Reason::CannotLoad, now), true);
  settle(now);
}

void Group::worker_is_leaving(WorkerId id, Reason reason, bool served, Time now) {
  if (Seat* const seat = seat_of(id)) {
    Place& place = place_of(*seat, id);
    // It became ready and did its work: a changed script is no reason to hesitate. One that leaves
    // without a single request may do so for ever.
    if (served) {
      set_next_start(*seat, place, now);
    } else {
      postpone(*seat, place, now);
    }
    ask_to_end(*std::exchange(place, std::nullopt), reason, deadline_for(reason, now), false);
  }
  settle(now);
}

void Group::worker_wants_successor(WorkerId id, Reason reason, Time now) {
  Seat* const seat = seat_of(id);
  if (seat != nullptr && seat->holder && seat->holder->id == id) {
    if (seat->wanted == Reason::None && reason == Reason::MemoryRecycle) {
      postpone(*seat, seat->holder, now);  // one that is too big as soon as it starts
    }
    if (seat->wanted == Reason::None || reason == Reason::RequestTimeout) seat->wanted = reason;
  } else if (Worker* const worker = find_leaving(id);
             worker != nullptr && reason == Reason::RequestTimeout && worker->reason != reason &&
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

void Group::kill_now(WorkerId id, Reason reason, Time now) {
  if (Seat* const seat = seat_of(id)) {
    Place& place = place_of(*seat, id);
    postpone(*seat, place, now);
    leaving_.push_back(*std::exchange(place, std::nullopt));
  }
  if (Worker* const worker = find_leaving(id)) kill(*worker, reason);
  settle(now);
}

void Group::worker_ended(WorkerId id, Time now) {
  if (Seat* const seat = seat_of(id)) {
    Place& place = place_of(*seat, id);
    postpone(*seat, place, now);
    place.reset();
  }
  std::erase_if(leaving_, [id](const Worker& worker) { return worker.id == id; });
  settle(now);
}

// ---- what happened to the group ----

void Group::reload(Reason reason, Time now) {
  ++generation_;
  reload_reason_ = reason;
  // What failed until now may succeed.
  next_successor_ = std::max(now, first_start_);
  for (Seat& seat : seats_) seat.next_start = next_successor_;
  settle(now);
}

void Group::pause(Time now) {
  if (ending_ || std::exchange(paused_, true)) return;
  ask_all_to_end(Reason::Operator, now);
  settle(now);
}

void Group::resume(Time now) {
  if (!std::exchange(paused_, false)) return;
  for (Seat& seat : seats_) seat.next_start = std::max(now, first_start_);
  settle(now);
}

void Group::predecessor_ended(Time now) {
  if (!std::exchange(predecessor_serves_, false)) return;
  for (Seat& seat : seats_) seat.next_start = std::max(now, first_start_);
  settle(now);
}

void Group::retire(Time now) { end_group(Reason::Replaced, now); }

void Group::terminate(Time now) { end_group(Reason::Shutdown, now); }

void Group::time_passed(Time now) {
  visit_workers(*this, [&](Worker& worker) { enforce(worker, now); });
  for (Seat& seat : seats_) {
    if (seat.holder && seat.holder->grows_old <= now && seat.wanted == Reason::None) {
      seat.wanted = Reason::RestartInterval;
    }
  }
  settle(now);
}

// ---- deciding ----

void Group::end_group(Reason reason, Time now) {
  ending_ = true;
  const Time deadline = deadline_for(reason, now);
  for (Worker& worker : leaving_) {
    if (worker.state != State::Killed) worker.deadline = std::min(worker.deadline, deadline);
  }
  ask_all_to_end(reason, now);
  settle(now);
}

void Group::ask_all_to_end(Reason reason, Time now) {
  const Time deadline = deadline_for(reason, now);
  for (Seat& seat : seats_) {
    for (Place* const place : {&seat.holder, &seat.successor}) {
      if (*place) ask_to_end(*std::exchange(*place, std::nullopt), reason, deadline, true);
    }
  }
  for (Worker& worker : leaving_) {
    if (worker.was_ready || worker.state == State::Killed) continue;
    worker.deadline = std::min<Time>(worker.deadline, now + kStartingGrace);
  }
}

Group::Time Group::deadline_for(Reason reason, Time now) const {
  Clock::duration end = limits_.shutdown;
  if (end == Clock::duration::zero()) {
    if (ends_without_help(reason)) return kNever;
    end = kStuckGrace;
  }
  if (reason == Reason::Shutdown || reason == Reason::CannotLoad) return now + end;
  if (reason == Reason::Operator) return now + limits_.eviction.value_or(limits_.graceful) + end;
  return now + limits_.graceful + end;
}

Clock::duration Group::jitter_of(const Seat& seat) const {
  const auto number = &seat - seats_.data();
  return limits_.restart_interval / 10 * number / static_cast<std::ptrdiff_t>(seats_.size());
}

void Group::set_next_start(Seat& seat, const Place& place, Time when) {
  (&place == &seat.successor ? next_successor_ : seat.next_start) = when;
}

void Group::postpone(Seat& seat, const Place& place, Time now) {
  RestartPolicy& policy = &place == &seat.successor ? successor_policy_ : seat.policy;
  const auto how_far = place->served      ? RestartPolicy::Came::ToServe
                       : place->was_ready ? RestartPolicy::Came::Up
                                          : RestartPolicy::Came::NeverUp;
  set_next_start(seat, place, now + policy.delay_after_end(how_far, now - place->started));
}

void Group::ask_to_end(Worker worker, Reason reason, Time deadline, bool tell) {
  const State before = worker.state;
  worker.state = next(before, Event::AskedToRetire).value_or(before);
  if (before != State::Killed) {
    worker.reason = reason;
    worker.deadline = deadline;
    if (tell) actions_.push_back({Action::Kind::Retire, worker.id});
  }
  leaving_.push_back(worker);
}

void Group::kill(Worker& worker, Reason reason) {
  if (worker.state == State::Killed) return;
  worker.state = State::Killed;
  worker.reason = reason;
  worker.deadline = kNever;
  actions_.push_back({Action::Kind::Kill, worker.id});
}

void Group::enforce(Worker& worker, Time now) {
  if (worker.deadline > now) return;
  kill(worker, worker.state == State::Starting ? Reason::StartupTimeout : worker.reason);
}

Group::Worker Group::start_worker(Time now) {
  Worker worker;
  worker.id = ++last_id_;
  worker.generation = generation_;
  worker.started = now;
  if (limits_.startup > Clock::duration::zero()) worker.deadline = now + limits_.startup;
  actions_.push_back({Action::Kind::Start, worker.id});
  return worker;
}

void Group::crown_successor(Seat& seat, Time now) {
  if (!seat.successor || (seat.holder && seat.successor->state != State::Ready)) return;
  if (seat.holder) {
    const Reason reason = reason_to_replace(seat);
    ask_to_end(*seat.holder, reason, deadline_for(reason, now), true);
  }
  seat.holder = std::exchange(seat.successor, std::nullopt);
  seat.wanted = Reason::None;
}

void Group::fill_seat(Seat& seat, Time now) {
  if (next_start_in(seat) > now) return;
  if (!seat.holder) {
    seat.holder = start_worker(now);
    seat.wanted = Reason::None;
  } else if (may_start_successor(seat)) {
    seat.successor = start_worker(now);
    seat.successor->instead_of = reason_to_replace(seat);
  }
}

void Group::settle(Time now) {
  if (ending_) {
    if (leaving_.empty() && !std::exchange(finished_, true)) {
      actions_.push_back({Action::Kind::Finish});
    }
    return;
  }
  // All of them first: each frees a place for another successor.
  for (Seat& seat : seats_) crown_successor(seat, now);
  if (!paused_) {
    for (Seat& seat : seats_) fill_seat(seat, now);
  }
  const bool all_ready = std::all_of(seats_.begin(), seats_.end(), [](const Seat& seat) {
    return seat.holder && seat.holder->state == State::Ready;
  });
  if ((all_ready || paused_) && !std::exchange(reported_ready_, true)) {
    predecessor_serves_ = false;
    actions_.push_back({Action::Kind::ReportReady});
  }
}

// ---- what to do ----

std::vector<Action> Group::take_actions() { return std::exchange(actions_, {}); }

Group::Time Group::next_deadline() const {
  Time soonest = kNever;
  visit_workers(*this, [&](const Worker& worker) { soonest = std::min(soonest, worker.deadline); });
  if (ending_ || paused_) return soonest;
  for (const Seat& seat : seats_) {
    if (!seat.holder || may_start_successor(seat)) soonest = std::min(soonest, next_start_in(seat));
    if (seat.holder && seat.wanted == Reason::None) {
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

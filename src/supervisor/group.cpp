// SPDX-License-Identifier: Apache-2.0
#include "wsgix/supervisor/group.hpp"

#include <algorithm>
#include <utility>

namespace wsgix::supervisor {
namespace {

/// A worker that is still importing has no request to finish and does not hear us yet.
constexpr seconds kStartingGrace{1};

}  // namespace

Group::Group(const GroupLimits& limits, Time first_start)
    : limits_(limits), seats_(static_cast<std::size_t>(limits.processes)) {
  for (Seat& seat : seats_) seat.next_start = first_start;
}

template <typename Self, typename Visit>
void Group::visit_workers(Self& self, Visit visit) {
  for (auto& seat : self.seats_) {
    if (seat.holder) visit(*seat.holder);
    if (seat.successor) visit(*seat.successor);
  }
  for (auto& worker : self.leaving_) visit(worker);
}

// ---- what happened ----

void Group::worker_said_ready(WorkerId id, Time now) {
  visit_workers(*this, [&](Worker& worker) {
    if (worker.id != id) return;
    const auto state = next(worker.state, Event::SaidReady);
    if (!state) return;  // says it twice
    worker.state = *state;
    worker.was_ready = true;
    if (worker.state == State::Ready) worker.deadline = kNever;
  });
  settle(now);
}

void Group::worker_is_leaving(WorkerId id, Reason reason, Time now) {
  for (Seat& seat : seats_) {
    if (seat.holder && seat.holder->id == id) {
      ask_to_end(*std::exchange(seat.holder, std::nullopt), reason,
                 deadline_after(now, limits_.graceful), false);
      seat.wanted = Reason::None;
      // It became ready and did its work: a changed script is no reason to hesitate.
      seat.next_start = now;
    } else if (seat.successor && seat.successor->id == id) {
      ask_to_end(*std::exchange(seat.successor, std::nullopt), reason,
                 deadline_after(now, limits_.graceful), false);
      seat.next_start = now;
    }
  }
  settle(now);
}

void Group::worker_wants_successor(WorkerId id, Reason reason, Time now) {
  for (Seat& seat : seats_) {
    if (seat.holder && seat.holder->id == id && seat.wanted == Reason::None) seat.wanted = reason;
  }
  settle(now);
}

void Group::worker_ended(WorkerId id, Time now) {
  const auto count = [&](Seat& seat, const Worker& worker) {
    seat.next_start = now + seat.policy.delay_after_end(worker.was_ready, now - worker.started);
  };
  for (Seat& seat : seats_) {
    if (seat.holder && seat.holder->id == id) {
      count(seat, *seat.holder);
      seat.holder.reset();
    } else if (seat.successor && seat.successor->id == id) {
      count(seat, *seat.successor);
      seat.successor.reset();
    }
  }
  std::erase_if(leaving_, [id](const Worker& worker) { return worker.id == id; });
  settle(now);
}

void Group::replace_all(Time now) {
  for (Seat& seat : seats_) {
    if (seat.holder && seat.wanted == Reason::None) seat.wanted = Reason::Replaced;
  }
  settle(now);
}

void Group::retire(Time now) { end_group(Reason::Replaced, limits_.graceful, now); }

void Group::terminate(Time now) { end_group(Reason::Shutdown, Clock::duration::zero(), now); }

void Group::time_passed(Time now) {
  visit_workers(*this, [&](Worker& worker) { enforce(worker, now); });
  settle(now);
}

// ---- deciding ----

void Group::end_group(Reason reason, Clock::duration allowance, Time now) {
  const Time deadline = deadline_after(now, allowance);
  for (Worker& worker : leaving_) worker.deadline = std::min(worker.deadline, deadline);
  for (Seat& seat : seats_) {
    if (seat.holder) ask_to_end(*std::exchange(seat.holder, std::nullopt), reason, deadline, true);
    if (seat.successor) {
      ask_to_end(*std::exchange(seat.successor, std::nullopt), reason, deadline, true);
    }
  }
  for (Worker& worker : leaving_) {
    if (!worker.was_ready) worker.deadline = std::min<Time>(worker.deadline, now + kStartingGrace);
  }
  ending_ = true;
  settle(now);
}

Group::Time Group::deadline_after(Time now, Clock::duration graceful) const {
  return limits_.shutdown == Clock::duration::zero() ? kNever : now + graceful + limits_.shutdown;
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

void Group::enforce(Worker& worker, Time now) {
  if (worker.deadline > now) return;
  const State before = worker.state;
  worker.state = next(before, Event::DeadlinePassed).value_or(before);
  worker.deadline = kNever;
  if (worker.state != State::Killed || before == State::Killed) return;
  if (before == State::Starting) worker.reason = Reason::StartupTimeout;
  actions_.push_back({Action::Kind::Kill, worker.id});
}

Group::Worker Group::start_worker(Time now) {
  Worker worker;
  worker.id = ++last_id_;
  worker.started = now;
  if (limits_.startup > Clock::duration::zero()) worker.deadline = now + limits_.startup;
  actions_.push_back({Action::Kind::Start, worker.id});
  return worker;
}

bool Group::replacement_runs() const {
  return std::any_of(seats_.begin(), seats_.end(),
                     [](const Seat& seat) { return seat.successor.has_value(); });
}

void Group::crown_successor(Seat& seat, Time now) {
  if (seat.holder) {
    ask_to_end(*seat.holder, seat.wanted, deadline_after(now, limits_.graceful), true);
  }
  seat.holder = std::exchange(seat.successor, std::nullopt);
  seat.wanted = Reason::None;
}

void Group::settle_seat(Seat& seat, Time now) {
  if (seat.successor && (!seat.holder || seat.successor->state == State::Ready)) {
    crown_successor(seat, now);
  }
  if (seat.next_start > now) return;
  if (!seat.holder) {
    seat.holder = start_worker(now);
    seat.wanted = Reason::None;
  } else if (seat.wanted != Reason::None && !seat.successor && !replacement_runs()) {
    seat.successor = start_worker(now);
  }
}

void Group::settle(Time now) {
  if (ending_) {
    if (leaving_.empty() && !std::exchange(finished_, true)) {
      actions_.push_back({Action::Kind::Finish});
    }
    return;
  }
  for (Seat& seat : seats_) settle_seat(seat, now);
  const bool all_ready = std::all_of(seats_.begin(), seats_.end(), [](const Seat& seat) {
    return seat.holder && seat.holder->state == State::Ready;
  });
  if (all_ready && !std::exchange(reported_ready_, true)) {
    actions_.push_back({Action::Kind::ReportReady});
  }
}

// ---- what to do ----

std::vector<Action> Group::take_actions() { return std::exchange(actions_, {}); }

Group::Time Group::next_deadline() const {
  Time soonest = kNever;
  visit_workers(*this, [&](const Worker& worker) { soonest = std::min(soonest, worker.deadline); });
  if (ending_) return soonest;
  const bool one_runs = replacement_runs();
  for (const Seat& seat : seats_) {
    const bool waits = !seat.holder || (seat.wanted != Reason::None && !one_runs);
    if (waits) soonest = std::min(soonest, seat.next_start);
  }
  return soonest;
}

std::optional<WorkerView> Group::find(WorkerId id) const {
  std::optional<WorkerView> found;
  visit_workers(*this, [&](const Worker& worker) {
    if (worker.id == id) found = WorkerView{worker.state, worker.reason, worker.was_ready};
  });
  return found;
}

int Group::failures_in_a_row() const {
  int most = 0;
  for (const Seat& seat : seats_) most = std::max(most, seat.policy.failures_in_a_row());
  return most;
}

}  // namespace wsgix::supervisor

// SPDX-License-Identifier: Apache-2.0
// supervisor/group_decisions.cpp: the half of Group that decides; group.cpp is told what happened.
#include <algorithm>
#include <utility>

#include "wsgix/supervisor/group.hpp"

namespace wsgix::supervisor {
namespace {

/// A worker that is still importing has no request to finish and does not hear us yet.
constexpr seconds kStartingGrace{1};
/// For what will not end by itself, where shutdown-timeout=0 sets no limit.
constexpr seconds kStuckGrace{5};

bool ends_without_help(EndReason reason) {
  return reason != EndReason::RequestTimeout && reason != EndReason::DeadlockTimeout &&
         reason != EndReason::CannotLoad;
}

}  // namespace

void Group::end_group(EndReason reason, Time now) {
  succession_.on_event(Succession::Event::AskedToEnd);
  const Time deadline = deadline_for(reason, now);
  for (Worker& worker : leaving_) {
    if (worker.state != State::Killed) worker.deadline = std::min(worker.deadline, deadline);
  }
  ask_all_to_end(reason, now);
  settle(now);
}

void Group::ask_all_to_end(EndReason reason, Time now) {
  const Time deadline = deadline_for(reason, now);
  for (Seat& seat : seats_) {
    for (MaybeWorker* const worker : {&seat.holder, &seat.successor}) {
      if (*worker) ask_to_end(*std::exchange(*worker, std::nullopt), reason, deadline, true);
    }
  }
  for (Worker& worker : leaving_) {
    if (worker.was_ready || worker.state == State::Killed) continue;
    worker.deadline = std::min<Time>(worker.deadline, now + kStartingGrace);
  }
}

Group::Time Group::deadline_for(EndReason reason, Time now) const {
  Clock::duration end = limits_.shutdown;
  if (end == Clock::duration::zero()) {
    if (ends_without_help(reason)) return kNever;
    end = kStuckGrace;
  }
  if (reason == EndReason::Shutdown || reason == EndReason::CannotLoad) return now + end;
  if (reason == EndReason::Operator) return now + limits_.eviction.value_or(limits_.graceful) + end;
  return now + limits_.graceful + end;
}

Clock::duration Group::jitter_of(const Seat& seat) const {
  const auto number = &seat - seats_.data();
  return limits_.restart_interval / 10 * number / static_cast<std::ptrdiff_t>(seats_.size());
}

void Group::set_next_start(Seat& seat, const MaybeWorker& worker, Time when) {
  (&worker == &seat.successor ? next_successor_ : seat.next_start) = when;
}

void Group::postpone(Seat& seat, const MaybeWorker& worker, Time now) {
  using Came = RestartPolicy::Came;
  RestartPolicy& policy = &worker == &seat.successor ? successor_policy_ : seat.policy;
  const Clock::duration lived = now - worker->started;
  const bool proves_start =
      worker->was_ready && (!limits_.is_service || lived >= RestartPolicy::kLongEnough);
  const auto how_far = worker->served ? Came::ToServe : proves_start ? Came::Up : Came::NeverUp;
  set_next_start(seat, worker, now + policy.delay_after_end(how_far, lived));
}

/// One that is too big as soon as it starts serves meanwhile: its successor can wait as after a
/// failed start.
void Group::postpone_big(Seat& seat, Time now) {
  using Came = RestartPolicy::Came;
  const Clock::duration lived = now - seat.holder->started;
  const bool grew_later = seat.holder->served || lived >= RestartPolicy::kLongEnough;
  const auto how_far = !grew_later ? Came::NeverUp : seat.holder->served ? Came::ToServe : Came::Up;
  seat.next_start = now + seat.policy.delay_after_end(how_far, lived);
}

void Group::ask_to_end(Worker worker, EndReason reason, Time deadline, bool tell) {
  const State before = worker.state;
  worker.state = next(before, Event::AskedToRetire).value();
  if (before != State::Killed) {
    worker.reason = reason;
    worker.deadline = deadline;
    if (tell) actions_.push_back({Action::Kind::Retire, worker.id});
  }
  leaving_.push_back(worker);
}

void Group::kill(Worker& worker, EndReason reason) {
  if (worker.state == State::Killed) return;
  worker.state = next(worker.state, Event::KillDecided).value();
  worker.reason = reason;
  worker.deadline = kNever;
  actions_.push_back({Action::Kind::Kill, worker.id});
}

void Group::enforce(Worker& worker, Time now) {
  if (worker.deadline > now) return;
  kill(worker, worker.state == State::Starting ? EndReason::StartupTimeout : worker.reason);
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

void Group::promote_successor(Seat& seat, Time now) {
  if (!seat.successor || (seat.holder && seat.successor->state != State::Ready)) return;
  if (seat.holder) {
    const EndReason reason = reason_to_replace(seat);
    ask_to_end(*seat.holder, reason, deadline_for(reason, now), true);
  }
  seat.holder = std::exchange(seat.successor, std::nullopt);
  seat.wanted = EndReason::None;
}

void Group::fill_seat(Seat& seat, Time now) {
  if (next_start_in(seat) > now) return;
  if (!seat.holder) {
    seat.holder = start_worker(now);
    seat.wanted = EndReason::None;
  } else if (may_start_successor(seat)) {
    seat.successor = start_worker(now);
    seat.successor->instead_of = reason_to_replace(seat);
  }
}

void Group::settle(Time now) {
  if (is_ending()) {
    if (leaving_.empty() && !std::exchange(finished_, true)) {
      actions_.push_back({Action::Kind::Finish});
    }
    return;
  }
  // All of them first: each frees a place for another successor.
  for (Seat& seat : seats_) promote_successor(seat, now);
  if (!paused_) {
    for (Seat& seat : seats_) fill_seat(seat, now);
  }
  const bool all_ready = std::all_of(seats_.begin(), seats_.end(), [](const Seat& seat) {
    return seat.holder && seat.holder->state == State::Ready;
  });
  if ((all_ready || paused_) && succession_.on_event(Succession::Event::AllReady)) {
    actions_.push_back({Action::Kind::ReportReady});
  }
}

}  // namespace wsgix::supervisor

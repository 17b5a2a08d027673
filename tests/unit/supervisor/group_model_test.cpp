// SPDX-License-Identifier: Apache-2.0
// Every event in every state of a group that a few events can reach, and long random walks: what
// has to hold whatever happens.
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <random>
#include <unordered_set>

#include "wsgix/supervisor/group.hpp"

namespace wsgix::supervisor {

struct GroupProbe {
  static std::size_t successors(const Group& group) { return group.successors(); }
  /// How long the seat that this worker held waits for another one; 0: it has one.
  static Clock::duration pause_after(const Group& before, WorkerId id, const Group& group,
                                     Group::Time now) {
    for (std::size_t i = 0; i < before.seats_.size(); ++i) {
      const auto& held = before.seats_[i].holder;
      if (!held || held->id != id || group.seats_[i].holder) continue;
      return group.seats_[i].next_start - now;
    }
    return {};
  }
  static bool everything_is_served(const Group& group) {
    return group.serves_everything() || group.succession_.predecessor_serves();
  }
  static std::vector<Group::Worker> all_of(const Group& group) {
    std::vector<Group::Worker> workers = group.leaving_;
    for (const Group::Seat& seat : group.seats_) {
      if (seat.holder) workers.push_back(*seat.holder);
      if (seat.successor) workers.push_back(*seat.successor);
    }
    return workers;
  }
  static Group::Time deadline_of(const Group& group, WorkerId id) {
    for (const Group::Worker& worker : all_of(group)) {
      if (worker.id == id) return worker.deadline;
    }
    return kNever;
  }
  static std::vector<WorkerId> workers(const Group& group) {
    std::vector<WorkerId> ids;
    for (const Group::Worker& worker : all_of(group)) ids.push_back(worker.id);
    return ids;
  }
  static bool every_seat_is_provided_for(const Group& group, Group::Time now) {
    return std::all_of(group.seats_.begin(), group.seats_.end(), [&](const Group::Seat& seat) {
      return seat.holder || (seat.next_start > now && seat.next_start <= now + seconds(31));
    });
  }
  static bool all_are_new(const Group& group) {
    return std::all_of(group.seats_.begin(), group.seats_.end(), [&](const Group::Seat& seat) {
      return seat.holder && seat.holder->state == State::Ready && !seat.successor &&
             seat.holder->generation == group.generation_;
    });
  }
  /// Two groups with the same picture behave alike: ids and absolute times do not matter.
  static std::string picture(const Group& group, Group::Time now) {
    std::string out;
    const auto put = [&](auto value) {
      const auto number = static_cast<std::int32_t>(value);
      out.append(reinterpret_cast<const char*>(&number), sizeof number);
    };
    const auto put_time = [&](Group::Time time) {
      const auto left = std::chrono::ceil<milliseconds>(time - now).count();
      put(time == kNever ? -1 : std::max<decltype(left)>(0, left));
    };
    const auto put_worker = [&](const Group::Worker& worker) {
      for (const int part : {static_cast<int>(worker.state), static_cast<int>(worker.reason),
                             static_cast<int>(worker.was_ready), int{worker.is_incomplete},
                             static_cast<int>(worker.generation == group.generation_)}) {
        put(part);
      }
      put_time(worker.deadline);
      put_time(worker.grows_old);
      put(std::min<Clock::duration>(now - worker.started, RestartPolicy::kLongEnough) /
          milliseconds(1));
    };
    for (const Group::Seat& seat : group.seats_) {
      put(seat.wanted);
      put(seat.policy.failures_in_a_row());
      put(seat.policy.early_ends_in_a_row());
      put_time(seat.next_start);
      for (const auto* place : {&seat.holder, &seat.successor}) {
        put(place->has_value());
        if (*place) put_worker(**place);
      }
    }
    for (const Group::Worker& worker : group.leaving_) put_worker(worker);
    put(group.successor_policy_.failures_in_a_row());
    put(group.successor_policy_.early_ends_in_a_row());
    put_time(group.next_successor_);
    put(group.reload_reason_);
    put(group.succession_.state());
    for (const bool flag : {group.paused_, group.finished_}) put(flag);
    return out;
  }
};

namespace {

using Kind = Action::Kind;

enum class Event : std::uint8_t {
  SaidReady,
  CannotLoad,
  LeavesServed,
  LeavesUnserved,
  WantsSuccessor,
  GrewTooBig,
  IsStuck,
  KilledNow,
  Ended,
  OfTheGroup,  // from here on no worker is meant
  Reload,
  Pause,
  Resume,
  PredecessorEnded,
  Overtaken,
  Retire,
  Terminate,
  TimePasses,
  Last,
};

struct Step {
  Event event;
  WorkerId worker = 0;
};

/// A group and what its host would know of it. Breaks off with a sentence when a rule is broken.
class Model {
 public:
  Model(int processes, bool predecessor_serves)
      : group_({.processes = processes,
                .startup = seconds(20),
                .graceful = seconds(15),
                .eviction = seconds(30),
                .shutdown = seconds(5),
                .restart_interval = seconds(100)},
               {.first_start = {}, .predecessor_serves = predecessor_serves}),
        processes_(static_cast<std::size_t>(processes)) {
    take({Event::TimePasses});
  }

  std::vector<Step> possible_steps() const {
    std::vector<Step> steps;
    for (const auto& [id, facts] : alive_) {
      for (int e = 0; e < static_cast<int>(Event::OfTheGroup); ++e) {
        steps.push_back({static_cast<Event>(e), id});
      }
    }
    for (int e = static_cast<int>(Event::Reload); e < static_cast<int>(Event::Last); ++e) {
      steps.push_back({static_cast<Event>(e)});
    }
    return steps;
  }

  /// Empty, or which rule was broken.
  std::string take(const Step& step) {
    const Group before = group_;
    const std::size_t served_before = serving();
    if (step.event == Event::TimePasses && group_.next_deadline() != kNever) {
      now_ = std::max(now_, group_.next_deadline());
    }
    happen(step);
    std::string broken = obey(step, before);
    if (broken.empty()) broken = look_at_pause(step, before);
    if (broken.empty()) broken = look(step, served_before);
    return broken;
  }

  std::string picture() const { return GroupProbe::picture(group_, now_); }

  /// Whatever happened until now: asked to end, with workers that do end, it finishes.
  std::string ends() const {
    Model copy = *this;
    std::string broken = copy.take({Event::Terminate});
    while (broken.empty() && !copy.alive_.empty()) {
      broken = copy.take({Event::Ended, copy.alive_.begin()->first});
    }
    if (broken.empty() && copy.finishes_ != 1) broken = "does not finish";
    return broken;
  }

  /// Whatever happened until now: with workers that do start, all of them are ready and new.
  std::string recovers() const {
    if (group_.is_ending()) return {};
    Model copy = *this;
    std::string broken = copy.take({Event::Resume});
    for (int round = 0; round < 400 && broken.empty(); ++round) {
      if (GroupProbe::all_are_new(copy.group_)) return {};
      broken = copy.advance_once();
    }
    return broken.empty() ? "does not recover" : broken;
  }

 private:
  struct Facts {
    bool ready = false;
    bool asked = false;
    bool killed = false;
  };

  void happen(const Step& step) {
    const WorkerId id = step.worker;
    switch (step.event) {
      case Event::SaidReady: alive_.at(id).ready = true; return group_.worker_said_ready(id, now_);
      case Event::CannotLoad: return group_.worker_cannot_load(id, now_);
      case Event::LeavesServed:
      case Event::LeavesUnserved:
        alive_.at(id).asked = true;
        return group_.worker_is_leaving(id, EndReason::ScriptReload,
                                        step.event == Event::LeavesServed, now_);
      case Event::WantsSuccessor:
        return group_.worker_wants_successor(id, EndReason::MaximumRequests, now_);
      case Event::GrewTooBig:
        return group_.worker_wants_successor(id, EndReason::MemoryRecycle, now_);
      case Event::IsStuck:
        return group_.worker_wants_successor(id, EndReason::RequestTimeout, now_);
      case Event::KilledNow: return group_.kill_now(id, EndReason::DeadlockTimeout, now_);
      case Event::Ended: alive_.erase(id); return group_.worker_ended(id, now_);
      case Event::Reload: return group_.reload(EndReason::ScriptReload, now_);
      case Event::Pause: return group_.pause(now_);
      case Event::Resume: return group_.resume(now_);
      case Event::PredecessorEnded: return group_.predecessor_ended(now_);
      case Event::Overtaken: return group_.overtaken(now_);
      case Event::Retire: return group_.retire(now_);
      case Event::Terminate: return group_.terminate(now_);
      case Event::TimePasses: return group_.time_passed(now_);
      case Event::OfTheGroup:
      case Event::Last: return;
    }
  }

  std::string obey(const Step& step, const Group& before) {
    for (const Action& action : group_.take_actions()) {
      const WorkerId id = action.worker;
      const auto worker = alive_.find(id);
      const bool is_about_one =
          action.kind == Kind::Retire || action.kind == Kind::Kill || action.kind == Kind::Serve;
      if (is_about_one && worker == alive_.end()) return "an order to a dead worker";
      switch (action.kind) {
        case Kind::Start:
          if (group_.is_ending() || group_.is_paused()) return "starts while it shall not";
          if (!alive_.emplace(id, Facts{}).second) return "uses an id twice";
          break;
        case Kind::Retire: worker->second.asked = true; break;
        case Kind::Serve:
          if (GroupProbe::everything_is_served(before)) return "serves less than it could";
          break;
        case Kind::Kill: {
          const bool in_time =
              step.event == Event::TimePasses && GroupProbe::deadline_of(before, id) <= now_;
          const bool ordered = step.event == Event::KilledNow && step.worker == id;
          const bool is_overtaken =
              step.event == Event::Overtaken && reports_ == 0 && !worker->second.ready;
          if (!in_time && !ordered && !is_overtaken) return "kills without a deadline";
          if (std::exchange(worker->second.killed, true)) return "kills twice";
          break;
        }
        case Kind::ReportReady:
          if (++reports_ > 1) return "reports twice that it is ready";
          break;
        case Kind::Finish:
          if (++finishes_ > 1) return "finishes twice";
          if (!alive_.empty()) return "finishes with workers left";
          break;
      }
    }
    return {};
  }

  std::string look(const Step& step, std::size_t served_before) const {
    std::vector<WorkerId> known = GroupProbe::workers(group_);
    std::sort(known.begin(), known.end());
    const bool is_known =
        std::equal(known.begin(), known.end(), alive_.begin(), alive_.end(),
                   [](WorkerId id, const auto& entry) { return id == entry.first; });
    if (!is_known) return "does not know who lives";
    const auto unasked = std::count_if(alive_.begin(), alive_.end(), [](const auto& entry) {
      return !entry.second.asked && !entry.second.killed;
    });
    if (static_cast<std::size_t>(unasked) > processes_ + group_.most_successors()) {
      return "has too many workers";
    }
    if (GroupProbe::successors(group_) > group_.most_successors()) return "has too many successors";
    if (serving() + allowed_loss(step.event) < served_before) return "serves less than before";
    if (group_.next_deadline() <= now_) return "has a deadline that leads to nothing";
    if (!group_.is_ending() && !group_.is_paused() &&
        !GroupProbe::every_seat_is_provided_for(group_, now_)) {
      return "forgot a seat";
    }
    if (group_.is_ending() && alive_.empty() && finishes_ != 1) return "does not finish";
    return {};
  }

  /// A worker that became ready is no failed start, however soon it ends.
  std::string look_at_pause(const Step& step, const Group& before) const {
    const auto dead = before.find(step.worker);
    if (step.event != Event::Ended || !dead || dead->state != State::Ready) return {};
    if (group_.is_ending() || group_.is_paused()) return {};
    if (GroupProbe::pause_after(before, step.worker, group_, now_) <= seconds(1)) return {};
    return "waits for long after a worker that was ready";
  }

  /// How many may stop serving because of that event.
  static std::size_t allowed_loss(Event event) {
    switch (event) {
      case Event::LeavesServed:
      case Event::LeavesUnserved:
      case Event::KilledNow:
      case Event::Ended: return 1;
      case Event::Pause:
      case Event::Overtaken:
      case Event::Retire:
      case Event::Terminate: return 1000;
      default: return 0;
    }
  }

  std::size_t serving() const {
    return static_cast<std::size_t>(
        std::count_if(alive_.begin(), alive_.end(), [](const auto& entry) {
          return entry.second.ready && !entry.second.asked && !entry.second.killed;
        }));
  }

  /// Each starting worker gets ready and each asked one ends; else time passes.
  std::string advance_once() {
    for (const auto& [id, facts] : alive_) {
      if (facts.asked || facts.killed) return take({Event::Ended, id});
      const auto view = group_.find(id);
      // A worker that was killed for its start has been told by the group, not by us.
      if (view && view->state == State::Starting) return take({Event::SaidReady, id});
    }
    return take({Event::TimePasses});
  }

  Group group_;
  std::size_t processes_;
  Clock::time_point now_{};
  std::map<WorkerId, Facts> alive_;
  int finishes_ = 0;
  int reports_ = 0;
};

std::string name_of(const Step& step) {
  static constexpr const char* kNames[] = {"said ready",      "cannot load",
                                           "leaves served",   "leaves unserved",
                                           "wants successor", "grew too big",
                                           "is stuck",        "killed now",
                                           "ended",           "",
                                           "reload",          "pause",
                                           "resume",          "predecessor ended",
                                           "overtaken",       "retire",
                                           "terminate",       "time passes"};
  return std::string(kNames[static_cast<int>(step.event)]) +
         (step.worker != 0 ? " " + std::to_string(step.worker) : "") + "; ";
}

std::string text_of(const std::vector<Step>& story) {
  std::string text;
  for (const Step& step : story) text += name_of(step);
  return text;
}

struct Reached {
  Model model;
  std::vector<Step> story;
};

/// Breadth first, each state once. The number of states, for the eye.
std::size_t explore(const Model& first, int depth) {
  std::unordered_set<std::string> seen = {first.picture()};
  std::vector<Reached> edge = {{first, {}}};
  for (int level = 0; level < depth; ++level) {
    std::vector<Reached> further;
    for (const Reached& reached : edge) {
      for (const Step& step : reached.model.possible_steps()) {
        Reached next{reached.model, reached.story};
        next.story.push_back(step);
        std::string broken = next.model.take(step);
        if (broken.empty() && !seen.insert(next.model.picture()).second) continue;
        // The outermost states are the most: for them the rules alone, to save time.
        const bool is_inside = level + 1 < depth;
        if (broken.empty() && is_inside) broken = next.model.ends() + next.model.recovers();
        if (!broken.empty()) {
          ADD_FAILURE() << broken << " after: " << text_of(next.story);
          return seen.size();
        }
        if (is_inside) further.push_back(std::move(next));
      }
    }
    edge = std::move(further);
  }
  return seen.size();
}

TEST(GroupModel, HoldsItsRulesInEveryStateOfOneProcess) {
  EXPECT_GT(explore(Model(1, false), 5), 10'000u);
  EXPECT_GT(explore(Model(1, true), 4), 1'000u);
}

TEST(GroupModel, HoldsItsRulesInEveryStateOfTwoProcesses) {
  EXPECT_GT(explore(Model(2, false), 4), 10'000u);
  EXPECT_GT(explore(Model(2, true), 3), 1'000u);
}

TEST(GroupModel, HoldsItsRulesOnLongRandomWalks) {
  for (unsigned seed = 0; seed < 100; ++seed) {
    std::mt19937 random(seed);
    Model model(1 + static_cast<int>(seed % 17), seed % 2 == 0);
    std::vector<Step> story;
    for (int count = 0; count < 300; ++count) {
      const auto steps = model.possible_steps();
      Step step = steps[std::uniform_int_distribution<std::size_t>(0, steps.size() - 1)(random)];
      // Most walks shall be long: an end is rare, and time passes more often than in a list.
      const bool is_end = step.event == Event::Retire || step.event == Event::Terminate ||
                          step.event == Event::Overtaken;
      if (is_end && count % 50 != 0) step = {Event::TimePasses};
      story.push_back(step);
      const std::string broken = model.take(step);
      ASSERT_TRUE(broken.empty()) << broken << ", seed " << seed << ", after: " << text_of(story);
    }
    const std::string broken = model.ends() + model.recovers();
    ASSERT_TRUE(broken.empty()) << broken << ", seed " << seed << ", after: " << text_of(story);
  }
}

}  // namespace
}  // namespace wsgix::supervisor

// SPDX-License-Identifier: Apache-2.0
#include "progress.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "group_text.hpp"
#include "wsgix/base/end_reason.hpp"

namespace wsgix::cli {
namespace {

using wire::DeathStatus;
using wire::GroupStatus;
using wire::WorkerStatus;

constexpr std::size_t kMostNamed = 8;

bool has(const GroupStatus& group, std::uint32_t pid) {
  return std::any_of(group.workers.begin(), group.workers.end(),
                     [pid](const WorkerStatus& worker) { return worker.pid == pid; });
}

bool happened_since(const GroupStatus& before, const DeathStatus& death) {
  // The counter may wrap.
  return static_cast<std::int32_t>(death.number - before.deaths_so_far) > 0;
}

bool is_failure(const DeathStatus& death) {
  constexpr EndReason kFailures[] = {EndReason::None, EndReason::CannotLoad,
                                     EndReason::StartupTimeout, EndReason::OutOfMemory,
                                     EndReason::MemoryExceeded};
  return std::any_of(std::begin(kFailures), std::end(kFailures),
                     [&](EndReason reason) { return death.reason == to_string(reason); });
}

}  // namespace

bool is_complete(const GroupStatus& now) { return workers_in(now, "ready") >= now.processes; }

bool is_reloaded(const GroupStatus& before, const GroupStatus& now) {
  const bool old_one_serves =
      std::any_of(now.workers.begin(), now.workers.end(), [&](const WorkerStatus& worker) {
        return worker.state != "draining" && has(before, worker.pid);
      });
  return !old_one_serves && is_complete(now);
}

/// Those that start are of a host that will take over, and drain as soon as it does.
bool is_drained(const GroupStatus& now) {
  return workers_in(now, "starting") == now.workers.size();
}

std::string failed_start(const GroupStatus& before, const GroupStatus& now) {
  // The newest stands first.
  for (auto death = now.deaths.rbegin(); death != now.deaths.rend(); ++death) {
    if (happened_since(before, *death) && !has(before, death->pid) && is_failure(*death)) {
      return fmt::format("its new worker {} {} ({})", death->pid, printable(death->end),
                         printable(death->reason));
    }
  }
  if (now.failures_in_a_row > before.failures_in_a_row) return "a new worker did not start";
  return {};
}

std::string what_is_awaited(const GroupStatus& now) {
  std::string text =
      fmt::format("{} of {} workers are ready", workers_in(now, "ready"), now.processes);
  std::size_t named = 0;
  for (const WorkerStatus& worker : now.workers) {
    if (named == kMostNamed) return text + ", ...";
    text += fmt::format("{}{} ({}, {} requests running)", named++ == 0 ? "; there is " : ", ",
                        worker.pid, printable(worker.state), worker.busy);
  }
  return text;
}

bool Patience::is_over(const GroupStatus& status, Deadline now) {
  std::string picture;
  for (const WorkerStatus& worker : status.workers) {
    picture += fmt::format("{} {} ", worker.pid, worker.state);
  }
  const bool something_goes_on =
      workers_in(status, "starting") + workers_in(status, "draining") > 0;
  if (picture != std::exchange(last_, picture) || something_goes_on) changed_ = now;
  return now >= end_ || now - changed_ >= kWithoutAChange;
}

bool Patience::is_time_to_speak(Deadline now) noexcept {
  if (now < next_word_) return false;
  next_word_ = now + kBetweenWords;
  return true;
}

}  // namespace wsgix::cli

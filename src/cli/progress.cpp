// SPDX-License-Identifier: Apache-2.0
#include "progress.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "group_text.hpp"
#include "wsgix/scoreboard/scoreboard.hpp"

namespace wsgix::cli {
namespace {

using scoreboard::EndReason;
using wire::DeathStatus;
using wire::GroupStatus;
using wire::WorkerStatus;

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
  return std::any_of(std::begin(kFailures), std::end(kFailures), [&](EndReason reason) {
    return death.reason == scoreboard::to_string(reason);
  });
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

}  // namespace wsgix::cli

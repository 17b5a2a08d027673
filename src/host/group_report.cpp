// SPDX-License-Identifier: Apache-2.0
#include "group_report.hpp"

#include <unistd.h>

#include "wsgix/os/child.hpp"
#include "wsgix/scoreboard/threads.hpp"
#include "wsgix/scoreboard/waiting.hpp"

namespace wsgix::host {
namespace {

using scoreboard::Board;

constexpr std::size_t kMostRequests = 1000;
constexpr std::uint32_t kMostDeaths = 16;

const char* to_string(scoreboard::WorkerState state) noexcept {
  switch (state) {
    case scoreboard::WorkerState::Free: return "free";
    case scoreboard::WorkerState::Starting: return "starting";
    case scoreboard::WorkerState::Ready: return "ready";
    case scoreboard::WorkerState::Draining: return "draining";
  }
  return "unknown";
}

const char* to_string(scoreboard::ThreadPhase phase) noexcept {
  switch (phase) {
    case scoreboard::ThreadPhase::Idle: return "idle";
    case scoreboard::ThreadPhase::Loading: return "loading";
    case scoreboard::ThreadPhase::Running: return "running";
  }
  return "unknown";
}

const char* state_of(const Board& board) noexcept {
  if (board.group_state.load() == scoreboard::GroupState::Paused) return "paused";
  return board.ready_workers.load() == 0 ? "starting" : "serving";
}

wire::Age age_of(std::int64_t since_us, std::int64_t now) noexcept {
  if (since_us <= 0 || since_us > now) return std::nullopt;
  return (now - since_us) / 1000;
}

wire::Age time_to(std::int64_t deadline_us, std::int64_t now) noexcept {
  if (deadline_us <= 0) return std::nullopt;
  return (deadline_us - now) / 1000;
}

void report_workers(const Board& board, std::int64_t now, wire::GroupStatus& status) {
  for (const scoreboard::WorkerSlot& slot : board.workers) {
    const auto state = slot.state.load();
    const std::uint32_t pid = slot.pid.load();
    if (state == scoreboard::WorkerState::Free || pid == 0) continue;
    status.workers.push_back({.pid = pid,
                              .state = to_string(state),
                              .generation = slot.generation.load(),
                              .age_ms = age_of(slot.started_us.load(), now),
                              .busy = slot.busy.load(),
                              .requests = slot.requests.load(),
                              .resident_bytes = slot.resident_bytes.load(),
                              .heartbeat_ms = age_of(slot.heartbeat_us.load(), now)});
  }
}

void report_requests(Board& board, std::int64_t now, wire::GroupStatus& status) {
  const auto running = scoreboard::running_requests(board);
  status.running = static_cast<std::uint32_t>(running.size());
  for (const scoreboard::RunningRequest& request : running) {
    if (status.requests.size() == kMostRequests) break;
    status.requests.push_back({.worker = request.pid,
                               .thread = request.thread_id,
                               .phase = to_string(request.phase),
                               .request = request.text,
                               .age_ms = age_of(request.since_us, now),
                               .time_left_ms = time_to(request.deadline_us, now)});
  }
  const scoreboard::Waiting waiting = scoreboard::waiting_requests(board);
  status.waiting = waiting.count;
  status.waiting_oldest_ms = age_of(waiting.oldest_us, now);
}

void report_deaths(const Board& board, std::int64_t now, wire::GroupStatus& status) {
  status.deaths_so_far = board.next_death.load();
  for (const scoreboard::RecentDeath& death : scoreboard::recent_deaths(board, kMostDeaths)) {
    status.deaths.push_back({.number = death.number,
                             .pid = death.pid,
                             .end = os::describe_end(death.wait_status),
                             .reason = to_string(death.reason),
                             .age_ms = age_of(death.at_us, now)});
  }
}

}  // namespace

wire::GroupStatus report_group(const config::HostSettings& settings, Board& board) {
  const std::int64_t now = scoreboard::now_us();
  wire::GroupStatus status;
  status.group = settings.daemon.name;
  status.state = state_of(board);
  status.host = static_cast<std::uint32_t>(::getpid());
  status.generation = board.generation.load();
  status.processes = static_cast<std::uint32_t>(settings.daemon.processes);
  status.threads = static_cast<std::uint32_t>(settings.daemon.threads);
  status.failures_in_a_row = board.failures_in_a_row.load();
  report_workers(board, now, status);
  report_requests(board, now, status);
  report_deaths(board, now, status);
  return status;
}

}  // namespace wsgix::host

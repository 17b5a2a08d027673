// SPDX-License-Identifier: Apache-2.0
#include "exit_report.hpp"

#include <fmt/format.h>
#include <sys/wait.h>

#include <algorithm>
#include <csignal>

#include "wsgix/os/memory.hpp"
#include "wsgix/scoreboard/threads.hpp"

namespace wsgix::host {
namespace {

constexpr std::size_t kMostRequestsNamed = 5;

std::string seconds_since(std::int64_t us) {
  return fmt::format("{:.1f} s", static_cast<double>(scoreboard::now_us() - us) / 1e6);
}

}  // namespace

ExitReport::ExitReport(const config::DaemonSettings& daemon, scoreboard::Board& board, LogSink& log)
    : daemon_(daemon), board_(board), log_(log), out_of_memory_kills_(os::out_of_memory_kills()) {}

void ExitReport::write(const Running& dead, const supervisor::WorkerView& view, int wait_status,
                       int failures_in_a_row) {
  const EndReason cause = cause_of(dead, view, wait_status);
  // First of all: children that lost a request to it look for the cause here.
  scoreboard::record_death(board_, static_cast<std::uint32_t>(dead.pid), wait_status, cause);

  const std::string end = os::describe_end(wait_status);
  const bool by_us = dead.was_killed && WIFSIGNALED(wait_status);
  const bool is_asked = view.reason != EndReason::None;
  const bool is_done = daemon_.threads == 0 && wait_status == 0;  // a service may come to its end
  if (is_done || (is_asked && (by_us || wait_status == 0))) {
    log_.write(LogLevel::Info, Error{ErrorCode::WorkerEnded,
                                     fmt::format("group '{}': worker {} {} ({})", daemon_.name,
                                                 dead.pid, end, to_string(cause))});
    return;
  }
  std::string what =
      fmt::format("group '{}': worker {} ({}{}{}) {}, {}", daemon_.name, dead.pid,
                  supervisor::to_string(view.state), cause == EndReason::None ? "" : ", ",
                  cause == EndReason::None ? "" : to_string(cause), end, what_it_did(dead));
  if (failures_in_a_row > 1) what += fmt::format(", failure {} in a row", failures_in_a_row);
  log_.write(LogLevel::Error, Error{ErrorCode::WorkerDied, std::move(what)});
}

EndReason ExitReport::cause_of(const Running& dead, const supervisor::WorkerView& view,
                               int wait_status) {
  const bool killed_by_others =
      WIFSIGNALED(wait_status) && WTERMSIG(wait_status) == SIGKILL && !dead.was_killed;
  if (killed_by_others) {
    const auto kills = os::out_of_memory_kills();
    const bool is_more = kills.value_or(0) > out_of_memory_kills_.value_or(0);
    out_of_memory_kills_ = kills;
    if (is_more) return EndReason::OutOfMemory;
  }
  return view.reason;
}

std::string ExitReport::what_it_did(const Running& dead) const {
  std::string text = fmt::format("after {} requests", board_.workers[dead.slot].requests.load());
  const auto running = scoreboard::running_requests(board_, static_cast<std::uint32_t>(dead.pid));
  if (running.empty()) return text + ", none running";
  text += fmt::format(", {} running: ", running.size());
  for (std::size_t i = 0; i < std::min(running.size(), kMostRequestsNamed); ++i) {
    text += fmt::format("{}{} for {}", i == 0 ? "" : "; ", running[i].text,
                        seconds_since(running[i].since_us));
  }
  if (running.size() > kMostRequestsNamed) text += "; ...";
  return text;
}

}  // namespace wsgix::host

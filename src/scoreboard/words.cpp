// SPDX-License-Identifier: Apache-2.0
#include "wsgix/scoreboard/words.hpp"

#include <fmt/format.h>
#include <sys/wait.h>

#include <algorithm>
#include <map>
#include <vector>

#include "wsgix/os/child.hpp"
#include "wsgix/scoreboard/threads.hpp"
#include "wsgix/scoreboard/waiting.hpp"

namespace wsgix::scoreboard {
namespace {

using std::chrono::microseconds;

std::string age(std::int64_t since_us) { return in_words(microseconds(now_us() - since_us)); }

/// Requests differ in their query more often than in what they do.
std::string_view without_query(std::string_view text) { return text.substr(0, text.find('?')); }

std::string describe_running(const std::vector<RunningRequest>& running) {
  std::map<std::string_view, std::size_t> counts;
  for (const RunningRequest& request : running) ++counts[without_query(request.text)];
  const auto top = std::max_element(
      counts.begin(), counts.end(),
      [](const auto& one, const auto& other) { return one.second < other.second; });
  const RunningRequest& longest = running.front();
  return fmt::format("{} of the running requests are {}; the longest is {} in worker pid {} for {}",
                     top->second, top->first, longest.text, longest.pid, age(longest.since_us));
}

struct Words {
  const char* why;
  bool drains;  ///< its requests were given time to end
};

Words words_for(EndReason reason) noexcept {
  switch (reason) {
    case EndReason::None: break;
    case EndReason::Shutdown: return {"the group was shut down", false};
    case EndReason::ScriptReload: return {"its script had changed", true};
    case EndReason::MaximumRequests: return {"it had reached maximum-requests=", true};
    case EndReason::StartupTimeout: return {"it was not ready within startup-timeout=", false};
    case EndReason::Replaced: return {"its group was replaced", true};
    case EndReason::RestartInterval: return {"it had reached restart-interval=", true};
    case EndReason::InactivityTimeout: return {"nothing moved within inactivity-timeout=", false};
    case EndReason::MemoryRecycle:
      return {"it had reached the soft limit of memory-recycle=", true};
    case EndReason::MemoryExceeded: return {"it exceeded memory-recycle=", false};
    case EndReason::CpuTimeLimit: return {"it had used up cpu-time-limit=", true};
    case EndReason::RequestTimeout: return {"did not come back within its time limit", false};
    case EndReason::DeadlockTimeout:
      return {"its Python made no progress for deadlock-timeout=", false};
    case EndReason::Operator: return {"the operator asked for it", true};
    case EndReason::CannotLoad: return {"it could not load its script", false};
    case EndReason::OutOfMemory: return {"the kernel ran out of memory", false};
  }
  return {nullptr, false};  // also for a number from shared memory that is none of ours
}

}  // namespace

std::string in_words(microseconds span) {
  const double seconds = std::max(0.0, static_cast<double>(span.count()) / 1e6);
  if (seconds < 1) return fmt::format("{:.0f} ms", seconds * 1000);
  return fmt::format("{:.{}f} s", seconds, seconds < 10 ? 1 : 0);
}

std::string describe_load(Board& board, unsigned busy, unsigned threads) {
  std::string text = fmt::format("{} of {} threads are busy", std::min(busy, threads), threads);
  const Waiting waiting = waiting_requests(board);
  if (waiting.count != 0) {
    text +=
        fmt::format("; {} {}, the oldest for {}", waiting.count,
                    waiting.count == 1 ? "request waits" : "requests wait", age(waiting.oldest_us));
  }
  const std::vector<RunningRequest> running = running_requests(board);
  if (!running.empty()) text.append("; ").append(describe_running(running));
  return text;
}

std::string describe(const Death& death, const std::string& stuck) {
  std::string text = os::describe_end(death.wait_status);
  const auto [why, drains] = words_for(death.reason);
  if (why == nullptr) return text;
  text += ": ";
  if (death.reason == EndReason::RequestTimeout) {
    text += stuck.empty() ? "a request " : fmt::format("request {} ", stuck);
  }
  text += why;
  if (drains && WIFSIGNALED(death.wait_status)) text += ", and its requests did not end in time";
  return text;
}

}  // namespace wsgix::scoreboard

// SPDX-License-Identifier: Apache-2.0
#include "group_text.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <vector>

namespace wsgix::cli {
namespace {

using Row = std::vector<std::string>;

/// Columns as wide as their longest cell; the last one is not padded.
std::string table(const std::vector<Row>& rows) {
  std::vector<std::size_t> widths(rows.front().size());
  for (const Row& row : rows) {
    for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], row[i].size());
  }
  std::string text;
  for (const Row& row : rows) {
    text += " ";
    for (std::size_t i = 0; i + 1 < row.size(); ++i) {
      text += fmt::format(" {:<{}} ", row[i], widths[i]);
    }
    text += fmt::format(" {}\n", row.back());
  }
  return text;
}

std::string headline(const wire::GroupStatus& status) {
  std::uint32_t busy = 0;
  for (const wire::WorkerStatus& worker : status.workers) busy += worker.busy;
  std::string text = fmt::format(
      "{}: {}, generation {}, {} of {} workers ready, {} threads each, {} requests running, ",
      printable(status.group), printable(status.state), status.generation,
      workers_in(status, "ready"), status.processes, status.threads, busy);
  text += status.waiting == 0 ? "none waiting"
                              : fmt::format("{} waiting, the oldest for {}", status.waiting,
                                            age_text(status.waiting_oldest_ms));
  if (status.failures_in_a_row != 0) {
    text += fmt::format(", {} failed starts in a row", status.failures_in_a_row);
  }
  return text + fmt::format(" (host {})\n", status.host);
}

std::string workers_text(const wire::GroupStatus& status) {
  if (status.workers.empty()) return {};
  std::vector<Row> rows = {
      {"WORKER", "STATE", "GENERATION", "AGE", "BUSY", "REQUESTS", "MEMORY", "HEARTBEAT"}};
  for (const wire::WorkerStatus& worker : status.workers) {
    rows.push_back({std::to_string(worker.pid), printable(worker.state),
                    std::to_string(worker.generation), age_text(worker.age_ms),
                    fmt::format("{}/{}", worker.busy, status.threads),
                    std::to_string(worker.requests), size_text(worker.resident_bytes),
                    worker.heartbeat_ms ? age_text(worker.heartbeat_ms) + " ago" : "-"});
  }
  return table(rows);
}

std::string requests_text(const wire::GroupStatus& status) {
  if (status.requests.empty()) return {};
  std::vector<Row> rows = {{"FOR", "WORKER", "THREAD", "PHASE", "DEADLINE", "REQUEST"}};
  for (const wire::RequestStatus& request : status.requests) {
    const bool is_late = request.time_left_ms.value_or(0) < 0;
    rows.push_back({age_text(request.age_ms), std::to_string(request.worker),
                    std::to_string(request.thread), printable(request.phase),
                    is_late                ? "passed"
                    : request.time_left_ms ? "in " + age_text(request.time_left_ms)
                                           : "-",
                    printable(request.request)});
  }
  std::string text = table(rows);
  if (status.running > status.requests.size()) {
    text += fmt::format("  and {} more\n", status.running - status.requests.size());
  }
  return text;
}

std::string deaths_text(const wire::GroupStatus& status) {
  if (status.deaths.empty()) return {};
  std::vector<Row> rows = {{"ENDED", "WORKER", "REASON", "HOW"}};
  for (const wire::DeathStatus& death : status.deaths) {
    rows.push_back({age_text(death.age_ms) + " ago", std::to_string(death.pid),
                    printable(death.reason), printable(death.end)});
  }
  return table(rows);
}

}  // namespace

std::string group_text(const wire::GroupStatus& status) {
  return headline(status) + workers_text(status) + requests_text(status) + deaths_text(status);
}

std::string age_text(const wire::Age& age) {
  constexpr std::int64_t kSecond = 1000, kMinute = 60 * kSecond, kHour = 60 * kMinute,
                         kDay = 24 * kHour;
  if (!age) return "-";
  const std::int64_t ms = std::max<std::int64_t>(*age, 0);
  if (ms < 10 * kSecond) return fmt::format("{}.{} s", ms / kSecond, ms % kSecond / 100);
  if (ms < 2 * kMinute) return fmt::format("{} s", ms / kSecond);
  if (ms < 2 * kHour) return fmt::format("{} min", ms / kMinute);
  if (ms < 2 * kDay) return fmt::format("{} h", ms / kHour);
  return fmt::format("{} d", ms / kDay);
}

std::string size_text(std::uint64_t bytes) {
  constexpr std::uint64_t kMiB = 1024 * 1024;
  return bytes == 0 ? "-" : fmt::format("{} MiB", std::max<std::uint64_t>(bytes / kMiB, 1));
}

std::string printable(std::string_view text) {
  std::string safe(text);
  std::replace_if(
      safe.begin(), safe.end(), [](char c) { return c < ' ' || c > '~'; }, '?');
  return safe;
}

std::uint32_t workers_in(const wire::GroupStatus& status, std::string_view state) {
  return static_cast<std::uint32_t>(
      std::count_if(status.workers.begin(), status.workers.end(),
                    [&](const wire::WorkerStatus& worker) { return worker.state == state; }));
}

}  // namespace wsgix::cli

// SPDX-License-Identifier: Apache-2.0
#include "wsgix/supervisor/watch.hpp"

#include <algorithm>

namespace wsgix::supervisor {
namespace {

constexpr seconds kLongPause{5};
/// A peak that passes is no growth.
constexpr int kSamplesAboveSoft = 3;

bool is_over(Clock::duration limit, Clock::duration span) {
  return limit > Clock::duration::zero() && span >= limit;
}

}  // namespace

void Watch::begin_look(Time now) {
  if (!last_look_ || now - *last_look_ > kLongPause) looks_since_ = now;
  last_look_ = now;
}

Verdict Watch::judge(const WorkerSample& sample, Time now) {
  Record& record = records_[sample.worker];
  const Verdict verdict = find_reason(sample, record, now);
  if (verdict.reason != EndReason::None) record.told.insert(verdict.reason);
  return verdict;
}

void Watch::forget(WorkerId worker) { records_.erase(worker); }

/// The worst first.
Verdict Watch::find_reason(const WorkerSample& sample, Record& record, Time now) const {
  const auto is_news = [&](EndReason reason) { return record.told.count(reason) == 0; };
  if (limits_.hard_bytes > 0 && sample.resident_bytes.value_or(0) > limits_.hard_bytes &&
      is_news(EndReason::MemoryExceeded)) {
    return {.reason = EndReason::MemoryExceeded};
  }
  if (const auto span = silence(sample, now); span && is_news(EndReason::DeadlockTimeout)) {
    return {.reason = EndReason::DeadlockTimeout, .span = *span};
  }
  const Verdict stuck = judge_requests(sample, now);
  if (stuck.reason != EndReason::None && is_news(stuck.reason)) return stuck;
  if (is_too_big(sample, record) && is_news(EndReason::MemoryRecycle)) {
    return {.reason = EndReason::MemoryRecycle};
  }
  if (const auto span = idle_time(sample, now); span && is_news(EndReason::InactivityTimeout)) {
    return {.reason = EndReason::InactivityTimeout, .span = *span};
  }
  return {};
}

bool Watch::is_too_big(const WorkerSample& sample, Record& record) const {
  if (limits_.soft_bytes <= 0 || !sample.resident_bytes) return false;
  const bool above = *sample.resident_bytes > limits_.soft_bytes;
  record.samples_above_soft = above ? record.samples_above_soft + 1 : 0;
  return record.samples_above_soft >= kSamplesAboveSoft;
}

Verdict Watch::judge_requests(const WorkerSample& sample, Time now) const {
  for (std::size_t i = 0; i < sample.requests.size(); ++i) {
    const RequestSample& request = sample.requests[i];
    if (request.loading_since && is_over(limits_.startup, now - *request.loading_since)) {
      return {EndReason::StartupTimeout, i, now - *request.loading_since};
    }
    const bool is_late =
        request.deadline != kNever && now - request.deadline >= limits_.after_deadline;
    if (is_late || is_stale(request, now))
      return {EndReason::RequestTimeout, i, now - request.since};
  }
  return {};
}

bool Watch::is_stale(const RequestSample& request, Time now) const {
  return is_over(limits_.request, now - request.since);
}

std::optional<Clock::duration> Watch::silence(const WorkerSample& sample, Time now) const {
  if (!sample.heartbeat) return std::nullopt;
  const Clock::duration seen = now - std::max(*sample.heartbeat, looks_since_);
  if (!is_over(limits_.deadlock, seen)) return std::nullopt;
  return now - *sample.heartbeat;
}

std::optional<Clock::duration> Watch::idle_time(const WorkerSample& sample, Time now) const {
  if (!sample.is_ready) return std::nullopt;
  const bool works =
      std::any_of(sample.requests.begin(), sample.requests.end(),
                  [&](const RequestSample& request) { return !is_stale(request, now); });
  const Clock::duration span =
      now - std::max(sample.activity.value_or(sample.started), sample.started);
  if (works || !is_over(limits_.inactivity, span)) return std::nullopt;
  return span;
}

}  // namespace wsgix::supervisor

// SPDX-License-Identifier: Apache-2.0
// supervisor/watch.hpp: whether a worker may go on, judged from what can be seen of it from
// outside.
//
// Decides only. Its caller looks at the scoreboard and at the kernel's numbers, at any time it
// likes, and carries out the verdicts.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <vector>

#include "wsgix/base/clock.hpp"
#include "wsgix/supervisor/group.hpp"

namespace wsgix::supervisor {

/// Zero: no limit.
struct WatchLimits {
  Clock::duration startup{};  ///< for loading a script, too
  /// A request that runs longer does not come back: the time it has and what follows on an
  /// interruption.
  Clock::duration request{};
  Clock::duration after_deadline{};  ///< how long a request may go on after its own deadline
  Clock::duration inactivity{};
  Clock::duration deadlock{};
  std::int64_t soft_bytes = 0;  ///< resident
  std::int64_t hard_bytes = 0;
};

struct RequestSample {
  Clock::time_point since{};
  Clock::time_point deadline = kNever;
  std::optional<Clock::time_point> loading_since{};  ///< it loads its script, or waits for that
};

struct WorkerSample {
  WorkerId worker = 0;
  bool is_ready = false;
  Clock::time_point started{};
  std::optional<Clock::time_point>
      heartbeat{};  ///< Python's last sign of life; none before it is up
  std::optional<Clock::time_point> activity{};   ///< when a request moved a byte last
  std::optional<std::int64_t> resident_bytes{};  ///< none: not measured this time
  std::vector<RequestSample> requests{};
};

struct Verdict {
  EndReason reason = EndReason::None;  ///< None: it may go on
  std::size_t request = 0;             ///< which one, for RequestTimeout and StartupTimeout
  Clock::duration span{};              ///< for how long, where that is the reason
};

class Watch {
 public:
  using Time = Clock::time_point;

  explicit Watch(const WatchLimits& limits) : limits_(limits) {}

  /// Before the workers are judged, each time. Whoever looks after a long pause cannot know
  /// whether the workers were able to run.
  void begin_look(Time now);
  /// Each reason is given once for each worker.
  Verdict judge(const WorkerSample& sample, Time now);
  void forget(WorkerId worker);

 private:
  struct Record {
    std::set<EndReason> told;
    int samples_above_soft = 0;
  };

  Verdict find_reason(const WorkerSample& sample, Record& record, Time now) const;
  bool is_too_big(const WorkerSample& sample, Record& record) const;
  Verdict judge_requests(const WorkerSample& sample, Time now) const;
  bool is_stale(const RequestSample& request, Time now) const;
  std::optional<Clock::duration> silence(const WorkerSample& sample, Time now) const;
  std::optional<Clock::duration> idle_time(const WorkerSample& sample, Time now) const;

  WatchLimits limits_;
  std::map<WorkerId, Record> records_;
  std::optional<Time> last_look_;
  Time looks_since_;  ///< without a long pause
};

}  // namespace wsgix::supervisor

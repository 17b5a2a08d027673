// SPDX-License-Identifier: Apache-2.0
// scoreboard/scoreboard.hpp: what a group's processes know of each other, in shared memory.
//
// One writer for each word, any number of readers, no locks. Readers treat everything as a hint
// or as text for a log line: correctness of a request never depends on it, and a reader survives
// any bytes in it. Created by the httpd parent, inherited by its children, passed to the host.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "wsgix/base/end_reason.hpp"
#include "wsgix/base/result.hpp"
#include "wsgix/base/unique_fd.hpp"

namespace wsgix::scoreboard {

inline constexpr std::size_t kWorkerSlots =
    2048;  ///< processes= may be 1024, twice while replacing
inline constexpr std::size_t kDeathSlots = 64;
inline constexpr std::size_t kThreadSlots = 8192;
inline constexpr std::size_t kWaitSlots = 4096;
inline constexpr std::size_t kScriptSlots = 32;
inline constexpr std::size_t kFailureSlots = 32;
inline constexpr std::size_t kRequestTextBytes = 192;
inline constexpr std::size_t kScriptBytes = 1536;

enum class WorkerState : std::uint32_t { Free = 0, Starting = 1, Ready = 2, Draining = 3 };

/// Written by the worker (busy to activity_us) and its supervisor (the rest). Times are
/// microseconds of CLOCK_MONOTONIC.
struct WorkerSlot {
  std::atomic<std::uint32_t> pid;
  std::atomic<WorkerState> state;
  std::atomic<std::uint32_t> busy;         ///< requests being executed now
  std::atomic<std::uint64_t> requests;     ///< executed so far
  std::atomic<std::int64_t> heartbeat_us;  ///< when Python made progress last; 0: not ready yet
  std::atomic<std::int64_t> activity_us;   ///< when a request moved a byte last
  std::atomic<std::int64_t> started_us;
  std::atomic<std::uint64_t> resident_bytes;
  std::atomic<std::uint32_t> generation;  ///< of the code and settings; counts up with each reload
};

/// Written by the supervisor.
struct DeathSlot {
  std::atomic<std::uint32_t> pid;         ///< stored last, with release
  std::atomic<std::int32_t> wait_status;  ///< as from waitpid(2)
  std::atomic<EndReason> reason;
  std::atomic<std::int64_t> at_us;
};

enum class ThreadPhase : std::uint32_t { Idle = 0, Loading = 1, Running = 2 };

/// What one serving thread of a worker does; see threads.hpp. Written by that thread, taken back by
/// the supervisor when its worker has ended.
struct ThreadSlot {
  std::atomic<std::uint32_t> pid;        ///< of the worker; 0: free
  std::atomic<std::uint32_t> thread_id;  ///< as gettid(2)
  std::atomic<std::uint64_t> request;    ///< its id in that worker; 0: none runs
  std::atomic<ThreadPhase> phase;
  std::atomic<std::int64_t> since_us;                                  ///< when the request started
  std::atomic<std::int64_t> phase_us;                                  ///< when the phase started
  std::atomic<std::int64_t> deadline_us;                               ///< 0: none
  std::array<std::atomic<std::uint64_t>, kRequestTextBytes / 8> text;  ///< "GET /path", cut
};

/// A request that waits in an httpd child for a worker with a free thread; see waiting.hpp.
struct WaitSlot {
  std::atomic<std::uint32_t> pid;  ///< of the httpd child; 0: free
  std::atomic<std::int64_t> since_us;
};

/// A script that the group has served, so that a new worker loads it before it serves.
struct ScriptSlot {
  std::atomic<std::uint32_t> used;                                  ///< stored last, with release
  std::atomic<std::int64_t> last_use_us;                            ///< by a request, about
  std::array<std::atomic<std::uint64_t>, kScriptBytes / 8> script;  ///< wsgi/script_ref.hpp
};

/// A failure of a script that some worker has logged; see scripts.hpp.
struct FailureSlot {
  std::atomic<std::uint64_t> key;  ///< 0: none
  std::atomic<std::uint32_t> count;
};

enum class GroupState : std::uint32_t {
  Serving = 0,
  Paused = 1,  ///< drained by the operator: its requests are refused at once
};

/// The shared bytes. A host checks magic and size before it believes anything else.
struct Board {
  std::atomic<std::uint32_t> magic;
  std::atomic<std::uint32_t> ready_workers;
  std::atomic<std::uint32_t> host_pid;
  std::atomic<std::uint32_t> next_death;
  std::atomic<GroupState> group_state;
  std::atomic<std::uint32_t> generation;         ///< of the newest code and settings
  std::atomic<std::uint32_t> failures_in_a_row;  ///< of starts
  std::atomic<std::uint32_t> threads_per_worker;
  std::atomic<std::uint32_t> used_slots;  ///< all workers are in the first so many of them
  std::array<WorkerSlot, kWorkerSlots> workers;
  std::array<DeathSlot, kDeathSlots> deaths;
  std::array<ThreadSlot, kThreadSlots> threads;
  std::array<WaitSlot, kWaitSlots> waiting;
  std::array<ScriptSlot, kScriptSlots> scripts;
  std::array<FailureSlot, kFailureSlots> failures;
  std::atomic<std::uint32_t> next_failure;
};

/// Owns a mapping. The descriptor stays with whoever created it.
class Mapping {
 public:
  Mapping(Mapping&& other) noexcept;
  Mapping& operator=(Mapping&& other) noexcept;
  ~Mapping();
  Board& operator*() const noexcept { return *board_; }
  Board* operator->() const noexcept { return board_; }

 private:
  friend Result<Mapping> map(int fd);
  explicit Mapping(Board* board) noexcept : board_(board) {}
  Board* board_;
};

/// An anonymous memory file of the right size, zeroed, close-on-exec.
Result<UniqueFd> create();
Result<Mapping> map(int fd);

/// Microseconds of CLOCK_MONOTONIC, which every process of the machine shares.
std::int64_t now_us() noexcept;

struct Death {
  std::int32_t wait_status;
  EndReason reason;
  std::int64_t at_us = 0;
};
void record_death(Board& board, std::uint32_t pid, std::int32_t wait_status, EndReason reason);
/// What the supervisor has written about that process, if it has already.
std::optional<Death> find_death(const Board& board, std::uint32_t pid) noexcept;

struct RecentDeath {
  std::uint32_t number;  ///< counts up with each
  std::uint32_t pid;
  std::int32_t wait_status;
  EndReason reason;
  std::int64_t at_us;
};

/// The newest first.
std::vector<RecentDeath> recent_deaths(const Board& board, std::uint32_t most);

}  // namespace wsgix::scoreboard

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

#include "wsgix/base/result.hpp"
#include "wsgix/base/unique_fd.hpp"

namespace wsgix::scoreboard {

inline constexpr std::size_t kWorkerSlots =
    2048;  ///< processes= may be 1024, twice while replacing
inline constexpr std::size_t kDeathSlots = 64;

enum class WorkerState : std::uint32_t { Free = 0, Starting = 1, Ready = 2, Draining = 3 };

/// Why a worker ended, when it was not its own idea.
enum class EndReason : std::uint32_t {
  None = 0,  ///< nobody asked for it: it crashed or exited
  Shutdown = 1,
  ScriptReload = 2,
  MaximumRequests = 3,
  StartupTimeout = 4,
  Replaced = 5,  ///< graceful or a new definition
};
const char* to_string(EndReason reason) noexcept;

/// Written by the worker (busy, requests) and its supervisor (the rest).
struct WorkerSlot {
  std::atomic<std::uint32_t> pid;
  std::atomic<WorkerState> state;
  std::atomic<std::uint32_t> busy;      ///< requests being executed now
  std::atomic<std::uint64_t> requests;  ///< executed so far
};

/// Written by the supervisor.
struct DeathSlot {
  std::atomic<std::uint32_t> pid;         ///< stored last, with release
  std::atomic<std::int32_t> wait_status;  ///< as from waitpid(2)
  std::atomic<EndReason> reason;
};

/// The shared bytes. A host checks magic and size before it believes anything else.
struct Board {
  std::atomic<std::uint32_t> magic;
  std::atomic<std::uint32_t> ready_workers;
  std::atomic<std::uint32_t> host_pid;
  std::atomic<std::uint32_t> next_death;
  std::array<WorkerSlot, kWorkerSlots> workers;
  std::array<DeathSlot, kDeathSlots> deaths;
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

struct Death {
  std::int32_t wait_status;
  EndReason reason;
};
void record_death(Board& board, std::uint32_t pid, std::int32_t wait_status, EndReason reason);
/// What the supervisor has written about that process, if it has already.
std::optional<Death> find_death(const Board& board, std::uint32_t pid) noexcept;

}  // namespace wsgix::scoreboard

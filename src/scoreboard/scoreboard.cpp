// SPDX-License-Identifier: Apache-2.0
#include "wsgix/scoreboard/scoreboard.hpp"

#include <sys/mman.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "wsgix/base/clock.hpp"
#include "wsgix/os/sealed_memory.hpp"

namespace wsgix::scoreboard {
namespace {

static_assert((kDeathSlots & (kDeathSlots - 1)) == 0, "next_death may wrap");
constexpr std::uint32_t kMagic = 0x57584235;  // "WXB5"

static_assert(std::atomic<std::uint64_t>::is_always_lock_free);
static_assert(std::atomic<WorkerState>::is_always_lock_free);
static_assert(std::atomic<EndReason>::is_always_lock_free);

}  // namespace

Mapping::Mapping(Mapping&& other) noexcept : board_(std::exchange(other.board_, nullptr)) {}

Mapping& Mapping::operator=(Mapping&& other) noexcept {
  std::swap(board_, other.board_);
  return *this;
}

Mapping::~Mapping() {
  if (board_ != nullptr) ::munmap(board_, sizeof(Board));
}

Result<UniqueFd> create() {
  Result<UniqueFd> fd = os::shared_memory("wsgix-scoreboard", sizeof(Board));
  if (!fd) return fd;
  const Result<Mapping> fresh = map(fd->get());  // the first mapping writes the magic number
  if (!fresh) return failed(fresh);
  return fd;
}

Result<Mapping> map(int fd) {
  struct stat file {};
  if (::fstat(fd, &file) != 0) {
    return failed(ErrorCode::BadHostSettings, "scoreboard: fstat", errno);
  }
  if (file.st_size != static_cast<off_t>(sizeof(Board))) {
    return failed(ErrorCode::BadHostSettings, "scoreboard: the memory has another size");
  }
  void* memory = ::mmap(nullptr, sizeof(Board), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (memory == MAP_FAILED) {
    return failed(ErrorCode::CannotShareMemory, "scoreboard: mmap", errno);
  }
  Mapping mapping(static_cast<Board*>(memory));
  std::uint32_t found = 0;
  if (!mapping->magic.compare_exchange_strong(found, kMagic) && found != kMagic) {
    return failed(ErrorCode::BadHostSettings, "scoreboard: the memory is not a scoreboard");
  }
  return mapping;
}

std::int64_t now_us() noexcept {
  const auto now = Clock::now().time_since_epoch();
  return std::chrono::duration_cast<std::chrono::microseconds>(now).count();
}

void record_death(Board& board, std::uint32_t pid, std::int32_t wait_status, EndReason reason) {
  DeathSlot& slot = board.deaths[board.next_death.fetch_add(1) % kDeathSlots];
  slot.pid.store(0, std::memory_order_release);
  slot.wait_status.store(wait_status, std::memory_order_relaxed);
  slot.reason.store(reason, std::memory_order_relaxed);
  slot.at_us.store(now_us(), std::memory_order_relaxed);
  slot.pid.store(pid, std::memory_order_release);
}

std::optional<Death> find_death(const Board& board, std::uint32_t pid) noexcept {
  if (pid == 0) return std::nullopt;
  // Newest first: the kernel may have given the number to a second process.
  const std::uint32_t next = board.next_death.load(std::memory_order_acquire);
  for (std::uint32_t back = 1; back <= kDeathSlots; ++back) {
    const DeathSlot& slot = board.deaths[(next - back) % kDeathSlots];
    if (slot.pid.load(std::memory_order_acquire) != pid) continue;
    return Death{slot.wait_status.load(std::memory_order_relaxed),
                 slot.reason.load(std::memory_order_relaxed),
                 slot.at_us.load(std::memory_order_relaxed)};
  }
  return std::nullopt;
}

std::vector<RecentDeath> recent_deaths(const Board& board, std::uint32_t most) {
  const std::uint32_t next = board.next_death.load(std::memory_order_acquire);
  most = std::min({most, next, static_cast<std::uint32_t>(kDeathSlots)});
  std::vector<RecentDeath> deaths;
  for (std::uint32_t number = next; number != next - most; --number) {
    const DeathSlot& slot = board.deaths[(number - 1) % kDeathSlots];
    const std::uint32_t pid = slot.pid.load(std::memory_order_acquire);
    if (pid == 0) continue;  // being written
    deaths.push_back({number, pid, slot.wait_status.load(std::memory_order_relaxed),
                      slot.reason.load(std::memory_order_relaxed),
                      slot.at_us.load(std::memory_order_relaxed)});
  }
  return deaths;
}

}  // namespace wsgix::scoreboard

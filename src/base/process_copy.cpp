// SPDX-License-Identifier: Apache-2.0
#include "wsgix/base/process_copy.hpp"

#include <sys/mman.h>
#include <unistd.h>

#include <atomic>
#include <cstdint>

namespace wsgix {
namespace {

#ifdef MADV_WIPEONFORK
constexpr int kWipeOnFork = MADV_WIPEONFORK;
#else
constexpr int kWipeOnFork = -1;
#endif

using Mark = volatile std::uint32_t;

// See src/README.md#globals. The kernel empties that page in whatever is forked, also by a raw
// clone(2) that runs no handler (Linux 4.14). Null: it cannot, or nothing was declared.
std::atomic<Mark*> mark = nullptr;
std::atomic<pid_t> original = 0;  // without the page; 0: nothing was declared

Mark* make_mark() noexcept {
  const auto size = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
  void* const page =
      ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (page == MAP_FAILED) return nullptr;
  if (kWipeOnFork >= 0 && ::madvise(page, size, kWipeOnFork) == 0) return static_cast<Mark*>(page);
  ::munmap(page, size);
  return nullptr;
}

}  // namespace

void declare_original_process() noexcept {
  original.store(::getpid(), std::memory_order_relaxed);
  Mark* page = mark.load(std::memory_order_relaxed);
  if (page == nullptr) page = make_mark();
  if (page == nullptr) return;
  *page = 1;
  mark.store(page, std::memory_order_relaxed);
}

bool this_process_is_a_copy() noexcept {
  if (const Mark* page = mark.load(std::memory_order_relaxed)) return *page == 0;
  const pid_t declared = original.load(std::memory_order_relaxed);
  return declared != 0 && declared != ::getpid();
}

}  // namespace wsgix

// SPDX-License-Identifier: Apache-2.0
#include "wsgix/base/own_descriptors.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>

namespace wsgix::own_descriptors {
namespace {

constexpr int kFirst = 3;  // 0 to 2 are everybody's: the log goes there
constexpr std::uint64_t kNotOurs = 0;
constexpr std::uint64_t kOwned = 1;

// See src/README.md#globals. By number: kNotOurs, kOwned, or the inode of a borrowed one. Pages
// that nobody touches cost nothing.
std::atomic<std::uint64_t> table[kMost];
std::atomic<int> end_of_used = kFirst;
static_assert(std::atomic<std::uint64_t>::is_always_lock_free);

bool is_remembered(int fd) noexcept { return fd >= kFirst && fd < kMost; }

void store(int fd, std::uint64_t what) noexcept {
  table[static_cast<std::size_t>(fd)].store(what, std::memory_order_relaxed);
  int end = end_of_used.load(std::memory_order_relaxed);
  while (end <= fd && !end_of_used.compare_exchange_weak(end, fd + 1)) {
  }
}

/// 0: not open.
std::uint64_t inode_of(int fd) noexcept {
  struct stat what {};
  return ::fstat(fd, &what) == 0 ? static_cast<std::uint64_t>(what.st_ino) : 0;
}

}  // namespace

void add(int fd) noexcept {
  if (is_remembered(fd)) store(fd, kOwned);
}

std::uint64_t add_borrowed(int fd) noexcept {
  if (!is_remembered(fd)) return kNotOurs;
  const std::uint64_t inode = inode_of(fd);
  if (inode <= kOwned) return kNotOurs;
  store(fd, inode);
  return inode;
}

void return_borrowed(int fd, std::uint64_t added) noexcept {
  if (!is_remembered(fd) || added == kNotOurs) return;
  // The number may be a newer descriptor of ours by now.
  table[static_cast<std::size_t>(fd)].compare_exchange_strong(added, kNotOurs);
}

bool remove(int fd) noexcept {
  return !is_remembered(fd) || table[static_cast<std::size_t>(fd)].exchange(
                                   kNotOurs, std::memory_order_relaxed) != kNotOurs;
}

bool contains(int fd) noexcept {
  return is_remembered(fd) &&
         table[static_cast<std::size_t>(fd)].load(std::memory_order_relaxed) != kNotOurs;
}

void close_all() noexcept {
  const int end = std::min(end_of_used.load(std::memory_order_relaxed), kMost);
  for (int fd = kFirst; fd < end; ++fd) {
    const std::uint64_t what =
        table[static_cast<std::size_t>(fd)].exchange(kNotOurs, std::memory_order_relaxed);
    if (what == kOwned || (what != kNotOurs && what == inode_of(fd))) ::close(fd);
  }
}

}  // namespace wsgix::own_descriptors

// SPDX-License-Identifier: Apache-2.0
// base/unique_fd.hpp: the owner of a file descriptor.
#pragma once

#include <unistd.h>

#include <utility>

#include "wsgix/base/own_descriptors.hpp"

namespace wsgix {

/// Owns one descriptor, or none (-1). Whoever opens it sets O_CLOEXEC. A copy of this process that
/// the application forks does not keep it: see own_descriptors.
class [[nodiscard]] UniqueFd {
 public:
  UniqueFd() noexcept = default;
  explicit UniqueFd(int fd) noexcept : fd_(fd) { own_descriptors::add(fd_); }
  UniqueFd(UniqueFd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  UniqueFd& operator=(UniqueFd&& other) noexcept {
    UniqueFd(std::move(other)).swap(*this);
    return *this;
  }
  ~UniqueFd() {
    if (fd_ >= 0 && own_descriptors::remove(fd_)) ::close(fd_);
  }

  explicit operator bool() const noexcept { return fd_ >= 0; }
  int get() const noexcept { return fd_; }
  [[nodiscard]] int release() noexcept {
    own_descriptors::remove(fd_);
    return std::exchange(fd_, -1);
  }
  void reset() noexcept { UniqueFd().swap(*this); }
  void swap(UniqueFd& other) noexcept { std::swap(fd_, other.fd_); }

 private:
  int fd_ = -1;
};

}  // namespace wsgix

// SPDX-License-Identifier: Apache-2.0
#include "script.hpp"

#include <utility>

namespace wsgix::python {

bool Script::begin_or_wait(std::optional<Error>& failure) {
  std::unique_lock lock(mutex_);
  if (!loading_) {
    loading_ = true;
    return true;
  }
  const std::uint64_t awaited = attempts_;
  finished_.wait(lock, [&] { return attempts_ != awaited; });
  failure = failure_;
  return false;
}

void Script::finish(std::optional<Error> failure) {
  {
    const std::lock_guard lock(mutex_);
    loading_ = false;
    ++attempts_;
    failure_ = std::move(failure);
  }
  finished_.notify_all();
}

bool Script::is_being_loaded() const {
  const std::lock_guard lock(mutex_);
  return loading_;
}

}  // namespace wsgix::python

// SPDX-License-Identifier: Apache-2.0
#include "script.hpp"

#include <functional>
#include <string_view>
#include <utility>

namespace wsgix::python {

Script::LoadTurn Script::begin_or_wait(std::optional<Error>& failure,
                                       const std::atomic<std::int32_t>& interruption) {
  std::unique_lock lock(mutex_);
  if (!loading_) {
    loading_ = true;
    return LoadTurn::Load;
  }
  const std::uint64_t awaited = attempts_;
  finished_.wait(lock, [&] { return attempts_ != awaited || interruption != 0; });
  if (attempts_ == awaited) return LoadTurn::Interrupted;
  failure = failure_;
  return LoadTurn::Loaded;
}

void Script::wake() {
  {
    // Whoever waits has either not looked at its interruption yet, or is asleep.
    const std::lock_guard lock(mutex_);
  }
  finished_.notify_all();
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

std::uint64_t Script::count_failure(const Error& error) {
  if (last_failure_ == error.what) return ++repeated_;
  last_failure_ = error.what;
  repeated_ = 0;
  return 0;
}

std::uint64_t Script::digest(const Error& error) const {
  const std::hash<std::string_view> hash;
  return hash(path_) ^ (hash(error.what) << 1) ^ static_cast<std::uint64_t>(version_us_);
}

void Script::found_version(std::int64_t modified_us) {
  if (std::exchange(version_us_, modified_us) != modified_us) last_failure_.clear();
}

bool Script::is_being_loaded() const {
  const std::lock_guard lock(mutex_);
  return loading_;
}

}  // namespace wsgix::python

// SPDX-License-Identifier: Apache-2.0
// python/script.hpp: one WSGI script in one interpreter: who loads it, and how that went.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>

#include "wsgix/base/error.hpp"

namespace wsgix::python {

/// Lets one thread load while the others wait for how it ends. Needs no GIL, so that a slow
/// import holds up nobody but the requests for this script.
class Script {
 public:
  explicit Script(std::string_view path) : path_(path) {}

  const std::string& path() const noexcept { return path_; }

  enum class LoadTurn {
    Load,        ///< this thread loads, and must call finish()
    Loaded,      ///< another thread did, just now
    Interrupted  ///< another thread still does; wake() was called
  };

  /// `failure` is what another thread failed with, if it failed. `interruption` becomes non-zero
  /// before somebody calls wake().
  LoadTurn begin_or_wait(std::optional<Error>& failure,
                         const std::atomic<std::int32_t>& interruption);
  void finish(std::optional<Error> failure);
  /// Those who wait look at their `interruption`.
  void wake();
  bool is_being_loaded() const;

  /// How often the same version failed with the same words before; 0: this is news. Guarded by the
  /// GIL, as is the next.
  std::uint64_t count_failure(const Error& error);
  void found_version(std::int64_t modified_us);
  /// Stands for that failure of this version, in every process of a group.
  std::uint64_t digest(const Error& error) const;

  /// sys.modules key, filled in by the first load; guarded by the GIL.
  std::string module_name;

 private:
  const std::string path_;
  std::string last_failure_;
  std::int64_t version_us_ = 0;
  std::uint64_t repeated_ = 0;
  mutable std::mutex mutex_;  // guards what follows
  std::condition_variable finished_;
  bool loading_ = false;
  std::uint64_t attempts_ = 0;
  std::optional<Error> failure_;  // of the last attempt
};

}  // namespace wsgix::python

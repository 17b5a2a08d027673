// SPDX-License-Identifier: Apache-2.0
// os/file_watch.hpp: which files have another time of modification than before.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "wsgix/base/unique_fd.hpp"

namespace wsgix::os {

/// Microseconds since the epoch; nullopt when there is no such file.
std::optional<std::int64_t> modification_time_us(const std::string& path);

/// The kernel says at once that something happened in the folder of a file (inotify). It does not
/// for changes of a link's target, nor of another machine: so look() is worth calling now and then.
class FileWatch {
 public:
  enum class Means { Kernel, LookingOnly };
  explicit FileWatch(Means means = Means::Kernel);

  /// -1 where only looking helps. Readable: ask has_news().
  int fd() const noexcept { return kernel_.get(); }
  /// Takes what the kernel has said: whether look() may find something. What happens to other files
  /// of the folders is no news.
  bool has_news() noexcept;
  /// `known_us`: the modification that has been acted on; nullopt: that of now. Does nothing for a
  /// file that is watched already.
  void add(const std::string& path, std::optional<std::int64_t> known_us);
  /// Files that are there and differ from what was known; that is known from now on.
  std::vector<std::string> look();
  /// For a fork that does not watch.
  void close() noexcept { kernel_.reset(); }

 private:
  UniqueFd kernel_;
  std::set<std::string> folders_;
  std::set<std::string, std::less<>> names_;  ///< of the files, without their folders
  std::map<std::string, std::int64_t> files_;
};

}  // namespace wsgix::os

// SPDX-License-Identifier: Apache-2.0
#include "wsgix/os/file_watch.hpp"

#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

namespace wsgix::os {
namespace {

/// Not IN_MODIFY: a file that is being written is not worth loading yet.
constexpr std::uint32_t kEvents = IN_CLOSE_WRITE | IN_MOVED_TO | IN_CREATE | IN_ATTRIB | IN_ONLYDIR;

std::string folder_of(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
}

void forget_events(int fd) noexcept {
  char events[4096];
  while (::read(fd, events, sizeof events) > 0 || errno == EINTR) {
  }
}

}  // namespace

std::optional<std::int64_t> modification_time_us(const std::string& path) {
  struct stat file {};
  if (::stat(path.c_str(), &file) != 0) return std::nullopt;
  return std::int64_t{file.st_mtim.tv_sec} * 1'000'000 + file.st_mtim.tv_nsec / 1'000;
}

FileWatch::FileWatch(Means means) {
  if (means == Means::Kernel) kernel_ = UniqueFd(::inotify_init1(IN_NONBLOCK | IN_CLOEXEC));
}

void FileWatch::add(const std::string& path, std::optional<std::int64_t> known_us) {
  if (files_.count(path) != 0) return;
  files_[path] = known_us ? *known_us : modification_time_us(path).value_or(0);
  const std::string folder = folder_of(path);
  // A folder that cannot be watched is looked at like the rest.
  if (kernel_ && folders_.insert(folder).second) {
    (void)::inotify_add_watch(kernel_.get(), folder.c_str(), kEvents);
  }
}

std::vector<std::string> FileWatch::look() {
  if (kernel_) forget_events(kernel_.get());
  std::vector<std::string> changed;
  for (auto& [path, known_us] : files_) {
    const auto modified_us = modification_time_us(path);
    if (!modified_us || *modified_us == known_us) continue;
    known_us = *modified_us;
    changed.push_back(path);
  }
  return changed;
}

}  // namespace wsgix::os

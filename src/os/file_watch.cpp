// SPDX-License-Identifier: Apache-2.0
#include "wsgix/os/file_watch.hpp"

#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <string_view>

namespace wsgix::os {
namespace {

/// Not IN_MODIFY: a file that is being written is not worth loading yet.
constexpr std::uint32_t kEvents = IN_CLOSE_WRITE | IN_MOVED_TO | IN_CREATE | IN_ATTRIB | IN_ONLYDIR;

std::string folder_of(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return slash == 0 ? "/" : path.substr(0, slash);
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
  names_.insert(path.substr(path.rfind('/') + 1));
  const std::string folder = folder_of(path);
  // A folder that cannot be watched is looked at like the rest.
  if (kernel_ && folders_.insert(folder).second) {
    (void)::inotify_add_watch(kernel_.get(), folder.c_str(), kEvents);
  }
}

bool FileWatch::has_news() noexcept {
  alignas(inotify_event) char events[4096];
  for (bool found = false;;) {
    const ssize_t count = ::read(kernel_.get(), events, sizeof events);
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return found;
    for (const char* at = events; at < events + count;) {
      const auto* const event = reinterpret_cast<const inotify_event*>(at);
      // Without a name: events were lost, or it is the folder's own.
      found = found || event->len == 0 || names_.count(std::string_view(event->name)) != 0;
      at += sizeof *event + event->len;
    }
  }
}

std::vector<std::string> FileWatch::look() {
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

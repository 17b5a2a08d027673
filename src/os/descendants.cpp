// SPDX-License-Identifier: Apache-2.0
#include "wsgix/os/descendants.hpp"

#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <csignal>
#include <map>
#include <memory>
#include <optional>

#include "wsgix/base/unique_fd.hpp"
#include "wsgix/os/child.hpp"

namespace wsgix::os {
namespace {

constexpr int kLookMs = 10;
constexpr std::size_t kCommandBytes = 80;
constexpr pid_t kMostPids = 4 * 1024 * 1024;  ///< PID_MAX_LIMIT of 64-bit kernels

struct Entry {
  pid_t pid;
  pid_t parent;
};

std::string first_bytes_of(const std::string& path, std::size_t most) {
  const UniqueFd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!file) return {};
  std::string bytes(most, '\0');
  const ssize_t count = ::read(file.get(), bytes.data(), bytes.size());
  bytes.resize(count > 0 ? static_cast<std::size_t>(count) : 0);
  return bytes;
}

std::string folder_of(pid_t pid) { return "/proc/" + std::to_string(pid); }

/// nullopt: it is gone, or waits to be reaped.
std::optional<Entry> entry_of(pid_t pid) {
  const std::string text = first_bytes_of(folder_of(pid) + "/stat", 512);
  // The name may hold anything, parentheses too: "pid (name) state parent ...".
  const std::size_t end = text.rfind(')');
  if (end == std::string::npos || text.size() < end + 5 || text[end + 2] == 'Z') {
    return std::nullopt;
  }
  Entry entry{pid, 0};
  const char* const first = text.data() + end + 4;
  if (std::from_chars(first, text.data() + text.size(), entry.parent).ec != std::errc()) {
    return std::nullopt;
  }
  return entry;
}

std::string command_of(pid_t pid) {
  std::string command = first_bytes_of(folder_of(pid) + "/cmdline", kCommandBytes);
  while (!command.empty() && command.back() == '\0') command.pop_back();
  std::replace(command.begin(), command.end(), '\0', ' ');
  std::replace_if(
      command.begin(), command.end(), [](char c) { return c < ' ' || c > '~'; }, '?');
  return command;
}

using Children = std::multimap<pid_t, pid_t>;

/// nullopt: there is no /proc.
std::optional<Children> children_by_parent() {
  const std::unique_ptr<DIR, int (*)(DIR*)> folder(::opendir("/proc"), ::closedir);
  if (!folder || !entry_of(::getpid())) return std::nullopt;
  Children children;
  while (const dirent* const file = ::readdir(folder.get())) {
    const std::string_view name = file->d_name;
    pid_t pid = 0;
    const auto read = std::from_chars(name.data(), name.data() + name.size(), pid);
    if (read.ec != std::errc() || read.ptr != name.data() + name.size()) continue;
    if (const auto entry = entry_of(pid)) children.emplace(entry->parent, entry->pid);
  }
  return children;
}

bool is_living_child(pid_t pid) noexcept {
  siginfo_t child{};
  return ::waitid(P_PID, static_cast<id_t>(pid), &child, WEXITED | WNOHANG | WNOWAIT) == 0 &&
         child.si_pid == 0;
}

/// Asks for every pid there can be whether it is a child: takes a second, and needs no /proc.
std::vector<Descendant> children_found_by_asking() {
  std::vector<Descendant> found;
  for (pid_t pid = 2; has_children() && pid < kMostPids;) {
    const pid_t end = std::min(kMostPids, pid + 65536);
    for (; pid < end; ++pid) {
      if (is_living_child(pid)) found.push_back({pid, {}});
    }
  }
  return found;
}

void reap_all() noexcept {
  while (::waitpid(-1, nullptr, WNOHANG) > 0) {
  }
}

void signal_all(const std::vector<Descendant>& processes, int signal) noexcept {
  for (const Descendant& process : processes) {
    ::kill(process.pid, signal);
    // A stopped process does not hear the first signal.
    if (signal == SIGTERM) ::kill(process.pid, SIGCONT);
  }
}

void add_new(std::vector<Descendant>& all, const std::vector<Descendant>& found) {
  for (const Descendant& process : found) {
    const bool is_known = std::any_of(
        all.begin(), all.end(), [&](const Descendant& known) { return known.pid == process.pid; });
    if (!is_known) all.push_back(process);
  }
}

/// Signals each of them once, and those that appear meanwhile, until none is left.
void end_with(int signal, Deadline deadline, std::vector<Descendant>& all,
              const std::function<void()>& meanwhile) {
  std::vector<Descendant> told;
  while (has_children()) {
    const std::vector<Descendant> living = descendants();
    add_new(all, living);
    if (signal == SIGTERM) {
      std::vector<Descendant> news = living;
      std::erase_if(news, [&](const Descendant& process) {
        return std::any_of(told.begin(), told.end(),
                           [&](const Descendant& known) { return known.pid == process.pid; });
      });
      signal_all(news, signal);
      add_new(told, news);
    } else {
      signal_all(living, signal);
    }
    if (Clock::now() >= deadline) break;
    ::poll(nullptr, 0, kLookMs);
    meanwhile();
    reap_all();
  }
  reap_all();
}

}  // namespace

std::vector<Descendant> descendants() {
  reap_all();
  if (!has_children()) return {};
  const auto children = children_by_parent();
  if (!children) return children_found_by_asking();
  std::vector<Descendant> found;
  std::vector<pid_t> parents = {::getpid()};
  while (!parents.empty()) {
    std::vector<pid_t> next;
    for (const pid_t parent : parents) {
      const auto [first, last] = children->equal_range(parent);
      for (auto child = first; child != last; ++child) {
        found.push_back({child->second, command_of(child->second)});
        next.push_back(child->second);
      }
    }
    parents = std::move(next);
  }
  return found;
}

std::vector<Descendant> end_descendants(Clock::duration grace, Clock::duration most,
                                        const std::function<void()>& meanwhile) {
  std::vector<Descendant> all;
  reap_all();
  end_with(SIGTERM, after(grace), all, meanwhile);
  end_with(SIGKILL, after(most), all, meanwhile);
  return all;
}

}  // namespace wsgix::os

// SPDX-License-Identifier: Apache-2.0
#include "wsgix/os/memory.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <fstream>
#include <sstream>
#include <system_error>

namespace wsgix::os {
namespace {

std::string contents_of(const std::string& path) {
  std::ostringstream all;
  all << std::ifstream(path).rdbuf();
  return all.str();
}

std::optional<std::int64_t> number_at(std::string_view text) {
  std::int64_t number = 0;
  const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (failure != std::errc{}) return std::nullopt;
  return number;
}

}  // namespace

std::optional<std::int64_t> resident_bytes(pid_t pid) {
  // proc(5): size, resident, ... in pages
  const std::string pages = contents_of(fmt::format("/proc/{}/statm", pid));
  const std::size_t blank = pages.find(' ');
  if (blank == std::string::npos) return std::nullopt;
  const auto resident = number_at(std::string_view(pages).substr(blank + 1));
  if (!resident) return std::nullopt;
  return *resident * ::sysconf(_SC_PAGESIZE);
}

bool is_stopped(pid_t pid) {
  const std::string status = contents_of(fmt::format("/proc/{}/stat", pid));
  // The name in parentheses may hold anything; the state follows the last one.
  const std::size_t end = status.rfind(") ");
  if (end == std::string::npos || end + 2 >= status.size()) return false;
  return status[end + 2] == 'T' || status[end + 2] == 't';
}

std::optional<std::int64_t> counter_in(std::string_view text, std::string_view name) {
  while (!text.empty()) {
    const std::string_view line = text.substr(0, text.find('\n'));
    if (line.size() > name.size() && line.starts_with(name) && line[name.size()] == ' ') {
      return number_at(line.substr(name.size() + 1));
    }
    text.remove_prefix(std::min(line.size() + 1, text.size()));
  }
  return std::nullopt;
}

std::string out_of_memory_counter(std::string_view groups) {
  std::string unified;
  while (!groups.empty()) {
    const std::string_view line = groups.substr(0, groups.find('\n'));
    groups.remove_prefix(std::min(line.size() + 1, groups.size()));
    // cgroups(7): hierarchy-ID:controllers:path; the unified hierarchy is 0 without controllers
    const std::size_t first = line.find(':');
    const std::size_t second = line.find(':', first + 1);
    if (first == std::string_view::npos || second == std::string_view::npos) continue;
    const std::string controllers = fmt::format(",{},", line.substr(first + 1, second - first - 1));
    const std::string_view path = line.substr(second + 1);
    if (controllers.find(",memory,") != std::string::npos) {
      return fmt::format("/sys/fs/cgroup/memory{}/memory.oom_control", path);
    }
    if (line.starts_with("0::")) unified = fmt::format("/sys/fs/cgroup{}/memory.events", path);
  }
  return unified;
}

std::optional<std::int64_t> out_of_memory_kills() {
  const std::string counter = out_of_memory_counter(contents_of("/proc/self/cgroup"));
  if (!counter.empty()) {
    if (const auto kills = counter_in(contents_of(counter), "oom_kill")) return kills;
  }
  return counter_in(contents_of("/proc/vmstat"), "oom_kill");
}

}  // namespace wsgix::os

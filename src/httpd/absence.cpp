// SPDX-License-Identifier: Apache-2.0
#include "absence.hpp"

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>

#include "former_groups.hpp"
#include "host_paths.hpp"
#include "log.hpp"
#include "spawn.hpp"
#include "wsgix/os/descriptors.hpp"

namespace wsgix::httpd {
namespace {

/// On the pool of the logs: gone when that was cleared without us.
constexpr char kWitness[] = "wsgix-was-here";

std::array<int*, 4> at_stake(RetainedGroup& group) noexcept {
  return {&group.listener, &group.commands, &group.scoreboard, &group.presence_write};
}

bool was_absent(apr_pool_t& plog) noexcept {
  void* witness = nullptr;
  return apr_pool_userdata_get(&witness, kWitness, &plog) != APR_SUCCESS || witness == nullptr;
}

bool is_our_child(pid_t pid) noexcept {
  siginfo_t child{};
  return pid > 0 &&
         ::waitid(P_PID, static_cast<id_t>(pid), &child, WEXITED | WNOHANG | WNOWAIT) == 0;
}

/// Its descriptors are closed, and its hosts may have been reaped by httpd. The lifelines are left
/// alone: where a host lives, the end of its lifeline would end it on the spot.
void forget(RetainedGroup& group) noexcept {
  for (int* const fd : at_stake(group)) *fd = -1;
  close_and_forget(group.presence_read);
  group.has_files = false;  // the sweeper has seen to them
  for (RetainedHost* host = group.newest; host != nullptr; host = host->older) {
    if (!is_our_child(host->pid)) host->pid = 0;
  }
}

}  // namespace

void return_to_retained(Retained& retained, apr_pool_t& plog) {
  const bool has_returned = was_absent(plog);
  for (RetainedGroup* group = retained.groups; group != nullptr; group = group->next) {
    group->at_stake = {};
    if (has_returned) {
      begin_end_of(*group);
      forget(*group);
      continue;
    }
    for (int* const fd : at_stake(*group)) {
      // The old number is closed with the pool.
      if (*fd >= 0) *fd = ::fcntl(*fd, F_DUPFD_CLOEXEC, 3);
    }
  }
}

void prepare_for_absence(Retained& retained, apr_pool_t& plog) {
  for (RetainedGroup* group = retained.groups; group != nullptr; group = group->next) {
    std::size_t number = 0;
    for (int* const fd : at_stake(*group)) {
      apr_file_t*& file = group->at_stake[number++];
      file = nullptr;
      if (*fd >= 0) apr_os_pipe_put_ex(&file, fd, 1, &plog);
    }
  }
  // Not _setn(): the key has to outlive this module's memory.
  apr_pool_userdata_set(&plog, kWitness, nullptr, &plog);
}

void close_in_child(RetainedGroup& group, int& fd) noexcept {
  const auto fds = at_stake(group);
  for (std::size_t number = 0; number < fds.size(); ++number) {
    // Through APR, or it would close that number again at the end of the child.
    if (fds[number] != &fd || group.at_stake[number] == nullptr) continue;
    apr_file_close(group.at_stake[number]);
    group.at_stake[number] = nullptr;
    fd = -1;
  }
  close_and_forget(fd);
}

void leave_sweeper(Retained& retained) {
  dismiss_sweeper(retained);
  SweeperLaunch launch{host_program(), -1, {}};
  for (const RetainedGroup* group = retained.groups; group != nullptr; group = group->next) {
    if (!group->has_files || group->presence_read < 0) continue;
    for (const char* const path : {group->socket_path, group->commands_path}) {
      launch.leftovers.push_back({path, group->presence_read});
    }
  }
  if (launch.leftovers.empty()) return;
  Result<os::Pipe> pipe = os::make_pipe();
  if (!pipe) return log(*ap_server_conf, LogLevel::Error, pipe.error());
  launch.dismissal = pipe->read_end.get();
  if (const Result<void> launched = httpd::launch(launch); !launched) {
    return log(*ap_server_conf, LogLevel::Error, launched.error());
  }
  retained.sweeper = pipe->write_end.release();
}

void dismiss_sweeper(Retained& retained) noexcept {
  if (retained.sweeper < 0) return;
  [[maybe_unused]] const ssize_t ignored = ::write(retained.sweeper, "d", 1);
  close_and_forget(retained.sweeper);
}

}  // namespace wsgix::httpd

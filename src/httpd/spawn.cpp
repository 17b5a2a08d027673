// SPDX-License-Identifier: Apache-2.0
#include "spawn.hpp"

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>

#include "wsgix/base/scope_exit.hpp"
#include "wsgix/base/unique_fd.hpp"
#include "wsgix/os/descriptors.hpp"

namespace wsgix::httpd {
namespace {

constexpr std::size_t kTitleBytes = 160;  ///< room for the titles that the host writes later
constexpr int kHostDescriptors = 10;      ///< 0 to 9
constexpr int kExecFailed = 127;

/// Everything the new process needs, complete before fork(): after it only async-signal-safe
/// calls are allowed.
struct Prepared {
  std::string title;
  std::array<char*, 3> argv;
  std::array<int, kHostDescriptors> sources;
  int report;  ///< where errno goes when exec fails; closed by a successful exec
  int first_free;
};

void reset_signals() noexcept {
  for (int number = 1; number < NSIG; ++number) ::signal(number, SIG_DFL);
  sigset_t none;
  ::sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
}

/// Sources may have each other's target numbers: move all out of the way first.
bool place_descriptors(Prepared& prepared) noexcept {
  for (int& source : prepared.sources) {
    source = ::fcntl(source, F_DUPFD_CLOEXEC, prepared.first_free);
    if (source < 0) return false;
  }
  prepared.report = ::fcntl(prepared.report, F_DUPFD_CLOEXEC, prepared.first_free);
  if (prepared.report < 0) return false;
  for (int target = 0; target < kHostDescriptors; ++target) {
    const int source = prepared.sources[static_cast<std::size_t>(target)];
    if (::dup2(source, target) < 0) return false;
  }
  // Everything above is close-on-exec only if whoever opened it was careful.
  if (::dup2(prepared.report, kHostDescriptors) < 0) return false;
  prepared.report = kHostDescriptors;
  if (::fcntl(kHostDescriptors, F_SETFD, FD_CLOEXEC) < 0) return false;
  os::close_from(kHostDescriptors + 1);
  return true;
}

[[noreturn]] void become_host(const char* program, Prepared& prepared) noexcept {
  // httpd signals its own process group on restarts; hosts outlive those.
  ::setpgid(0, 0);
  reset_signals();
  if (place_descriptors(prepared)) ::execv(program, prepared.argv.data());
  const int os_errno = errno;
  [[maybe_unused]] const ssize_t written = ::write(prepared.report, &os_errno, sizeof os_errno);
  ::_exit(kExecFailed);
}

/// errno of a failed exec, 0 when the program runs.
int exec_errno(int report) noexcept {
  int os_errno = 0;
  ssize_t count = 0;
  while ((count = ::read(report, &os_errno, sizeof os_errno)) < 0 && errno == EINTR) {
  }
  return count == sizeof os_errno ? os_errno : 0;
}

}  // namespace

Result<pid_t> launch(const HostLaunch& host) {
  const auto cannot = [&](const char* step, int os_errno) {
    return failed(ErrorCode::CannotStartHost, host.program + ": " + step, os_errno);
  };
  const UniqueFd null_device(::open("/dev/null", O_RDWR | O_CLOEXEC));
  if (!null_device) return cannot("open /dev/null", errno);
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return cannot("pipe", errno);
  const UniqueFd report_read(ends[0]);
  UniqueFd report_write(ends[1]);

  Prepared prepared{host.title, {}, {}, report_write.get(), 64};
  prepared.title.resize(std::max(kTitleBytes, prepared.title.size()), ' ');
  char serve[] = "--serve";
  prepared.argv = {prepared.title.data(), serve, nullptr};
  const int log = host.error_log >= 0 ? host.error_log : null_device.get();
  // Not closed: the next descriptor that the host opens must not get this number.
  const int handover = host.handover >= 0 ? host.handover : null_device.get();
  prepared.sources = {null_device.get(), log,           log,         host.settings, host.listener,
                      host.scoreboard,   host.lifeline, host.retire, handover,      host.commands};

  // No handler of httpd's may run in the copy.
  sigset_t all;
  sigset_t before;
  ::sigfillset(&all);
  ::sigprocmask(SIG_SETMASK, &all, &before);
  const pid_t pid = ::fork();
  if (pid == 0) become_host(host.program.c_str(), prepared);
  const int fork_errno = errno;
  ::sigprocmask(SIG_SETMASK, &before, nullptr);
  if (pid < 0) return cannot("fork", fork_errno);

  report_write.reset();
  if (const int os_errno = exec_errno(report_read.get()); os_errno != 0) {
    while (::waitpid(pid, nullptr, 0) < 0 && errno == EINTR) {
    }
    return cannot("exec", os_errno);
  }
  return pid;
}

}  // namespace wsgix::httpd

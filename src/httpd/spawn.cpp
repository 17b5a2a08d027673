// SPDX-License-Identifier: Apache-2.0
#include "spawn.hpp"

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "wsgix/base/signal_block.hpp"
#include "wsgix/base/unique_fd.hpp"
#include "wsgix/os/descriptors.hpp"
#include "wsgix/os/forked_copies.hpp"
#include "wsgix/os/signals.hpp"

namespace wsgix::httpd {
namespace {

constexpr std::size_t kTitleBytes = 160;  ///< room for the titles that the host writes later
constexpr int kReport = config::kHostDescriptors;
constexpr int kExecFailed = 127;

/// Everything the new process needs, complete before fork(): after it only async-signal-safe
/// calls are allowed.
struct Prepared {
  std::string title;
  std::array<char*, 3> argv;
  std::array<int, config::kHostDescriptors> sources;
  int report;  ///< where errno goes when exec fails; closed by a successful exec
  int first_free;
};

/// Sources may have each other's target numbers: move all out of the way first.
bool place_descriptors(Prepared& prepared) noexcept {
  for (int& source : prepared.sources) {
    source = ::fcntl(source, F_DUPFD_CLOEXEC, prepared.first_free);
    if (source < 0) return false;
  }
  prepared.report = ::fcntl(prepared.report, F_DUPFD_CLOEXEC, prepared.first_free);
  if (prepared.report < 0) return false;
  for (int target = 0; target < config::kHostDescriptors; ++target) {
    const int source = prepared.sources[static_cast<std::size_t>(target)];
    if (::dup2(source, target) < 0) return false;
  }
  // Everything above is close-on-exec only if whoever opened it was careful.
  if (::dup2(prepared.report, kReport) < 0) return false;
  prepared.report = kReport;
  if (::fcntl(kReport, F_SETFD, FD_CLOEXEC) < 0) return false;
  os::close_from(kReport + 1);
  return true;
}

[[noreturn]] void become_host(const char* program, Prepared& prepared) noexcept {
  // httpd signals its own process group on restarts; hosts outlive those.
  ::setpgid(0, 0);
  os::reset_signals();
  if (place_descriptors(prepared)) ::execv(program, prepared.argv.data());
  const int os_errno = errno;
  [[maybe_unused]] const ssize_t written = ::write(prepared.report, &os_errno, sizeof os_errno);
  ::_exit(kExecFailed);
}

/// The child of a child that ends at once. Descriptors get the numbers of their places.
[[noreturn]] void become_sweeper(const char* program, char* const* argv, int* sources,
                                 int count) noexcept {
  const SignalBlock until_reset;
  if (::fork() != 0) ::_exit(0);
  ::setsid();
  os::reset_signals();
  for (int i = 0; i < count; ++i) sources[i] = ::fcntl(sources[i], F_DUPFD_CLOEXEC, count + 64);
  for (int i = 0; i < count; ++i) {
    if (::dup2(sources[i], i) < 0) ::_exit(kExecFailed);
  }
  os::close_from(count);
  ::execv(program, argv);
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

  Prepared prepared{host.title, {}, host.descriptors, report_write.get(), 64};
  prepared.title.resize(std::max(kTitleBytes, prepared.title.size()), ' ');
  char serve[] = "--serve";
  prepared.argv = {prepared.title.data(), serve, nullptr};
  // Not closed: the next descriptor that the host opens must not get such a number.
  for (int& source : prepared.sources) {
    if (source < 0) source = null_device.get();
  }

  pid_t pid = 0;
  int fork_errno = 0;
  {
    const SignalBlock block;                 // no handler of httpd's may run in the copy
    const os::ForkOfOurs keeps_descriptors;  // httpd -X: the parent serves requests as well
    pid = ::fork();
    if (pid == 0) become_host(host.program.c_str(), prepared);
    fork_errno = errno;
  }
  if (pid < 0) return cannot("fork", fork_errno);

  report_write.reset();
  if (const int os_errno = exec_errno(report_read.get()); os_errno != 0) {
    while (::waitpid(pid, nullptr, 0) < 0 && errno == EINTR) {
    }
    return cannot("exec", os_errno);
  }
  return pid;
}

Result<void> launch(const SweeperLaunch& sweeper) {
  const auto cannot = [&](const char* step, int os_errno) {
    return failed(ErrorCode::CannotStartHost, sweeper.program + " --sweep: " + step, os_errno);
  };
  const UniqueFd null_device(::open("/dev/null", O_RDWR | O_CLOEXEC));
  if (!null_device) return cannot("open /dev/null", errno);
  // Complete before fork(), as above.
  std::string name = "wsgix: sweeper";
  std::string sweep = "--sweep";
  std::vector<std::string> paths;
  std::vector<int> sources = {null_device.get(), null_device.get(), null_device.get(),
                              sweeper.dismissal};
  for (const SweeperLaunch::Leftover& leftover : sweeper.leftovers) {
    paths.emplace_back(leftover.path);
    sources.push_back(leftover.until);
  }
  std::vector<char*> argv = {name.data(), sweep.data()};
  for (std::string& path : paths) argv.push_back(path.data());
  argv.push_back(nullptr);

  const pid_t pid = ::fork();
  if (pid == 0)
    become_sweeper(sweeper.program.c_str(), argv.data(), sources.data(),
                   static_cast<int>(sources.size()));
  if (pid < 0) return cannot("fork", errno);
  while (::waitpid(pid, nullptr, 0) < 0 && errno == EINTR) {
  }
  return {};
}

}  // namespace wsgix::httpd

// SPDX-License-Identifier: Apache-2.0
#include "start_order.hpp"

#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <clocale>
#include <csignal>
#include <cstdlib>

#include "limits.hpp"
#include "wsgix/os/child.hpp"
#include "wsgix/os/memory.hpp"
#include "wsgix/os/privileges.hpp"
#include "wsgix/os/process_title.hpp"
#include "wsgix/runtime/library.hpp"

namespace wsgix::host {
namespace {

Result<void> take_identity(const config::HostSettings& settings) {
  // An httpd that was not started as root cannot change accounts; it said so at configtest.
  if (!settings.started_as_root && ::geteuid() != 0) return {};
  const os::Identity identity{
      settings.daemon.name,
      settings.uid,
      settings.gid,
      {settings.supplementary_gids.begin(), settings.supplementary_gids.end()},
      settings.daemon.chroot};
  return os::drop_privileges(os::kernel_privilege_calls(), identity);
}

/// A jail holds neither libpython nor the runtime library: they are opened before, but not started.
/// What cannot be opened here is no end: the workers answer with the cause.
void open_python_for_jail(const config::HostSettings& settings, LogSink& log) {
  if (settings.daemon.chroot.empty()) return;
  const auto choice = runtime::choose_jailed_python(
      settings.daemon.chroot, settings.daemon.python_home, settings.default_python);
  if (!choice) return log.write(LogLevel::Alert, choice.error());
  const auto opened = runtime::open(*choice, settings.runtime_directory);
  if (!opened) log.write(LogLevel::Alert, opened.error());
}

Result<void> change_directory(const config::HostSettings& settings, LogSink& log) {
  const std::string& home = settings.daemon.home;
  if (!home.empty()) {
    if (::chdir(home.c_str()) == 0) return {};
    const int os_errno = errno;
    return failed(ErrorCode::CannotUseDirectory,
                  fmt::format("group '{}': home={}", settings.daemon.name, home), os_errno);
  }
  if (!settings.change_to_user_home) return {};
  if (::chdir(settings.user_home.c_str()) != 0) {
    const int os_errno = errno;
    // Service accounts often name a folder that is not there. Nobody asked for it: go on.
    log.write(LogLevel::Warning,
              Error{ErrorCode::SettingHadNoEffect,
                    fmt::format("group '{}': the home {} of its user cannot be the working "
                                "directory, / is",
                                settings.daemon.name, settings.user_home),
                    os_errno, "name a folder with home="});
    if (::chdir("/") != 0) {
      return failed(ErrorCode::CannotUseDirectory,
                    fmt::format("group '{}': working directory /", settings.daemon.name), errno);
    }
  }
  return {};
}

void set_if_given(const char* name, const std::string& value) {
  if (!value.empty()) ::setenv(name, value.c_str(), 1);
}

void set_environment(const config::HostSettings& settings, LogSink& log) {
  set_if_given("HOME", settings.user_home);
  for (const char* const name : {"USER", "LOGNAME", "USERNAME"}) {
    if (std::getenv(name) != nullptr) set_if_given(name, settings.user_name);
  }
  set_if_given("PYTHON_EGG_CACHE", settings.daemon.python_eggs);
  set_if_given("LANG", settings.daemon.lang);
  const std::string& locale = settings.daemon.locale;
  set_if_given("LC_ALL", locale);
  if (!locale.empty() && std::setlocale(LC_ALL, locale.c_str()) == nullptr) {
    log.write(
        LogLevel::Warning,
        Error{ErrorCode::SettingHadNoEffect,
              fmt::format("group '{}': this system has no locale={}", settings.daemon.name, locale),
              0, "install the locale, or name one that 'locale -a' lists"});
  }
}

/// A jail without /proc hides how large the workers are.
void warn_if_memory_is_hidden(const config::DaemonSettings& daemon, LogSink& log) {
  const bool looks = daemon.memory_recycle.soft > 0 || daemon.memory_recycle.hard > 0;
  if (!looks || os::resident_bytes(::getpid())) return;
  log.write(LogLevel::Warning,
            Error{ErrorCode::SettingHadNoEffect,
                  fmt::format("group '{}': memory-recycle= cannot see how much memory the "
                              "processes hold, as /proc is not there",
                              daemon.name),
                  0, "mount a /proc in the jail, or use memory-limit="});
}

}  // namespace

Result<void> set_up_process(const config::HostSettings& settings, LogSink& log) {
  os::set_process_title("wsgix: " + settings.daemon.name + " supervisor");
  apply_host_limits(settings.daemon, log);
  open_python_for_jail(settings, log);
  // Whatever needs root has to happen above this line.
  if (const auto done = take_identity(settings); !done) return done;
  if (settings.daemon.umask >= 0) ::umask(static_cast<mode_t>(settings.daemon.umask));
  if (const auto done = change_directory(settings, log); !done) return done;
  set_environment(settings, log);
  warn_if_memory_is_hidden(settings.daemon, log);
  // After the identity: changing ids clears it. The lifeline is the first lock, this the second.
  return os::ask_for_parent_death_signal(SIGTERM);
}

}  // namespace wsgix::host

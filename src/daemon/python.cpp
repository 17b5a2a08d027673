// SPDX-License-Identifier: Apache-2.0
#include "python.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "warm_up.hpp"
#include "wsgix/os/signals.hpp"

namespace wsgix::daemon {
namespace {

wsgix_text text(const std::string& string) { return {string.data(), string.size()}; }

const char* text_or_null(const std::string& string) {
  return string.empty() ? nullptr : string.c_str();
}

/// The door for lines of the runtime that belong to no request.
void log_line(void* context, int level, wsgix_text, std::uint32_t, wsgix_text line) noexcept {
  static_cast<LogSink*>(context)->write(static_cast<LogLevel>(std::clamp(level, 0, 7)),
                                        std::string_view(line.data, line.size));
}

}  // namespace

Python::Python(const config::HostSettings& settings, int stacks, LogSink& log)
    : settings_(settings), stacks_(stacks), log_(log) {
  application_.script_owner = {settings.script_uid, settings.script_gid};
  if (const auto started = start(); !started) {
    application_.runtime = nullptr;
    application_.broken = started.error();
    log_.write(LogLevel::Alert, started.error());
  }
}

Result<void> Python::start() {
  const std::string& home = settings_.daemon.python_home;
  // In a jail the host has opened it already; here it is only found again.
  auto choice = settings_.daemon.chroot.empty()
                    ? runtime::choose_python(home, settings_.default_python)
                    : runtime::choose_jailed_python("", home, settings_.default_python);
  if (!choice) return failed(choice);
  choice_ = std::move(*choice);
  const auto table = runtime::open(choice_, settings_.runtime_directory);
  if (!table) return failed(table);

  describe_process();
  wsgix_failure why{};
  if ((*table)->start(&start_, &why) != 0) {
    Error error = runtime::to_error(why);
    error.what = fmt::format("group '{}': {}", settings_.daemon.name, error.what);
    return Failed(std::move(error));
  }
  application_.runtime = *table;
  return {};
}

void Python::describe_process() {
  const config::DaemonSettings& daemon = settings_.daemon;
  for (const std::string& folder : daemon.python_path) python_path_.push_back(text(folder));

  start_.program = text_or_null(choice_.program);
  start_.python_home = text_or_null(choice_.home);
  start_.process_group = daemon.name.c_str();
  start_.home = text_or_null(daemon.home);
  start_.python_path = python_path_.data();
  start_.python_path_count = python_path_.size();
  start_.processes = daemon.processes;
  start_.threads = daemon.threads;
  start_.multiprocess = daemon.processes_given || daemon.processes > 1;
  start_.multithread = daemon.threads > 1;
  start_.restrict_stdin = settings_.restrict_stdin;
  start_.restrict_stdout = settings_.restrict_stdout;
  start_.case_sensitive = 1;
  std::copy_n(settings_.httpd_version, 3, start_.httpd_version);
  start_.httpd_description = settings_.httpd_description.c_str();
  start_.mpm_name = settings_.mpm_name.c_str();
  start_.httpd_build_date = settings_.httpd_build_date.c_str();
  start_.httpd_maximum_processes = settings_.httpd_maximum_processes;
  start_.httpd_threads_per_process = settings_.httpd_threads_per_process;
  start_.stacks_signal = os::kStacksSignal;
  start_.stacks_fd = stacks_;
  start_.log_context = &log_;
  start_.log = log_line;
}

bool Python::is_allowed(const std::string& script) const {
  if (!application_.script_owner.is_given()) return true;
  const auto fine = os::check_owner(script, application_.script_owner);
  if (!fine) log_.write(LogLevel::Error, fine.error());
  return fine.has_value();
}

bool Python::load(const std::vector<config::Preload>& preloads) {
  // Whoever has a Python serves better; who has none says why in each response.
  if (application_.runtime == nullptr) return false;
  bool loaded = true;
  for (const config::Preload& preload : preloads) {
    wsgix_script script{};
    script.path = text(preload.script);
    script.application_group = text(preload.application_group);
    script.callable_name = text(preload.callable);
    wsgix_failure why{};
    const bool is_ready = is_allowed(preload.script) &&
                          application_.runtime->load_script(&script, &why) == 0 &&
                          warm_up(settings_, *application_.runtime, script, log_);
    if (!is_ready && preload.rolling) loaded = false;
  }
  return loaded;
}

bool Python::run_services(const std::vector<config::Preload>& scripts,
                          const std::function<bool()>& shall_end) {
  if (application_.runtime == nullptr) return false;
  bool all_fine = true;
  for (const config::Preload& service : scripts) {
    if (shall_end()) break;
    wsgix_script script{};
    script.path = text(service.script);
    script.application_group = text(service.application_group);
    wsgix_failure why{};
    const bool ran =
        is_allowed(service.script) && application_.runtime->run_service(&script, &why) == 0;
    all_fine = all_fine && ran;
  }
  return all_fine;
}

void Python::stop() noexcept {
  // The process ends with _exit() next: freeing what the kernel frees anyway would only take time.
  if (application_.runtime != nullptr) application_.runtime->stop(0);
}

}  // namespace wsgix::daemon

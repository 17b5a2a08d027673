// SPDX-License-Identifier: Apache-2.0
#include "python.hpp"

#include <algorithm>

#include "warm_up.hpp"
#include "wsgix/os/signals.hpp"
#include "wsgix/runtime/script.hpp"
#include "wsgix/scoreboard/scripts.hpp"

namespace wsgix::daemon {
namespace {

const char* text_or_null(const std::string& string) {
  return string.empty() ? nullptr : string.c_str();
}

/// The door for lines of the runtime that belong to no request.
void log_line(void* context, int level, wsgix_text, std::uint32_t, wsgix_text line) noexcept {
  static_cast<LogSink*>(context)->write(static_cast<LogLevel>(std::clamp(level, 0, 7)),
                                        runtime::view_of(line));
}

std::uint64_t count_failure(void* board, std::uint64_t failure) noexcept {
  return scoreboard::count_failure(*static_cast<scoreboard::Board*>(board), failure);
}

}  // namespace

Python::Python(const config::HostSettings& settings, int stacks, scoreboard::Board& board,
               LogSink& log)
    : settings_(settings), stacks_(stacks), board_(board), log_(log) {
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
    return Failed(of_group(settings_.daemon.name, runtime::to_error(why)));
  }
  application_.runtime = *table;
  return {};
}

void Python::describe_process() {
  const config::DaemonSettings& daemon = settings_.daemon;
  for (const std::string& folder : daemon.python_path)
    python_path_.push_back(runtime::text_of(folder));
  for (const std::string& assignment : settings_.python_environment)
    environment_.push_back(runtime::text_of(assignment));

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
  start_.restrict_signals = settings_.restrict_signal && daemon.threads > 0;
  start_.restrict_stdin = settings_.restrict_stdin;
  start_.restrict_stdout = settings_.restrict_stdout;
  start_.case_sensitive = settings_.case_sensitive;
  start_.environment = environment_.data();
  start_.environment_count = environment_.size();
  start_.switch_interval = daemon.switch_interval;
  start_.count_failure = count_failure;
  start_.failures_context = &board_;
  start_.interpreter_limit = static_cast<std::uint32_t>(daemon.interpreter_limit);
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

bool Python::load(const std::vector<wsgi::OwnedScriptRef>& preloads) {
  // Whoever has a Python serves better; who has none says why in each response.
  if (application_.runtime == nullptr) return false;
  bool loaded = true;
  for (const wsgi::OwnedScriptRef& preload : preloads) {
    wsgix_script script = runtime::script_of(preload);
    script.reloading = 0;  // two of one file: what is loaded is new
    wsgix_failure why{};
    const bool is_ready = is_allowed(preload.path) &&
                          application_.runtime->load_script(&script, &why) == 0 &&
                          warm_up(settings_, *application_.runtime, script, log_);
    if (!is_ready && preload.reloading == wsgi::ScriptReloading::Rolling) loaded = false;
  }
  return loaded;
}

bool Python::run_services(const std::vector<wsgi::OwnedScriptRef>& scripts,
                          const std::function<bool()>& shall_end) {
  if (application_.runtime == nullptr) return false;
  bool all_fine = true;
  for (const wsgi::OwnedScriptRef& service : scripts) {
    if (shall_end()) break;
    const wsgix_script script = runtime::script_of(service);
    wsgix_failure why{};
    const bool ran =
        is_allowed(service.path) && application_.runtime->run_service(&script, &why) == 0;
    all_fine = all_fine && ran;
  }
  return all_fine;
}

void Python::stop() noexcept {
  // The process ends with _exit() next: freeing what the kernel frees anyway would only take time.
  if (application_.runtime != nullptr) application_.runtime->stop(0);
}

}  // namespace wsgix::daemon

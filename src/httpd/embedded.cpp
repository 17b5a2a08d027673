// SPDX-License-Identifier: Apache-2.0
#include "embedded.hpp"

#include "embedded_stream.hpp"
#include "host_paths.hpp"
#include "log.hpp"
#include "preloads.hpp"
#include "wsgix/base/scope_exit.hpp"
#include "wsgix/base/signal_block.hpp"
#include "wsgix/os/forked_copies.hpp"
#include "wsgix/runtime/script.hpp"

namespace wsgix::httpd {
namespace {

constexpr milliseconds kStopWait{3000};
constexpr milliseconds kStopLook{10};

using runtime::text_of;
using runtime::view_of;

void log_for_process(void* context, int level, wsgix_text file, uint32_t line, wsgix_text text) {
  log_line(*static_cast<const server_rec*>(context), static_cast<LogLevel>(level), view_of(file),
           line, view_of(text));
}

}  // namespace

void ServerLog::write(LogLevel level, std::string_view line) noexcept {
  log_line(server_, level, {}, 0, line);
}

EmbeddedPython::EmbeddedPython(const server_rec& main) : main_(main), log_(main) {}

void EmbeddedPython::describe_process() {
  const ServerConfig& config = config_of(main_);
  ap_version_t version{};
  ap_get_server_revision(&version);
  const int daemons = mpm_number(AP_MPMQ_MAX_DAEMONS, 1);
  const int threads = mpm_number(AP_MPMQ_MAX_THREADS, 1);
  for (const std::string& folder : config.python_path) python_path_.push_back(text_of(folder));
  environment_ = environment_of(config.python);
  for (const std::string& assignment : environment_) {
    environment_texts_.push_back(text_of(assignment));
  }

  start_.program = python_.program.empty() ? nullptr : python_.program.c_str();
  start_.python_home = python_.home.empty() ? nullptr : python_.home.c_str();
  start_.process_group = "";
  start_.python_path = python_path_.data();
  start_.python_path_count = python_path_.size();
  start_.processes = start_.httpd_maximum_processes = daemons;
  start_.threads = start_.httpd_threads_per_process = threads;
  start_.multiprocess = mpm_number(AP_MPMQ_IS_FORKED, 0) != 0 && daemons != 1;
  start_.multithread = threads != 1;
  start_.reload_in_place = 1;
  start_.restrict_signals = config.restrict_signal;
  start_.restrict_stdin = config.restrict_stdin;
  start_.restrict_stdout = config.restrict_stdout;
  start_.single_process = is_single_process();
  start_.case_sensitive = config.case_sensitive;
  start_.environment = environment_texts_.data();
  start_.environment_count = environment_texts_.size();
  start_.switch_interval = config.python.switch_interval;
  start_.interpreter_limit = config.interpreter_limit;
  start_.httpd_version[0] = static_cast<std::uint32_t>(version.major);
  start_.httpd_version[1] = static_cast<std::uint32_t>(version.minor);
  start_.httpd_version[2] = static_cast<std::uint32_t>(version.patch);
  start_.httpd_description = ap_get_server_description();
  start_.mpm_name = ap_show_mpm();
  start_.httpd_build_date = ap_get_server_built();
  start_.log_context = const_cast<server_rec*>(&main_);
  start_.log = log_for_process;
}

Result<void> EmbeddedPython::open_and_start() {
  Result<runtime::PythonChoice> choice =
      runtime::choose_python(config_of(main_).python_home.value_or(""), WSGIX_DEFAULT_LIBPYTHON);
  if (!choice) return failed(choice);
  python_ = std::move(*choice);
  const Result<const wsgix_runtime*> opened = runtime::open(python_, runtime_directory());
  if (!opened) return failed(opened);
  describe_process();
  if (const std::string& eggs = config_of(main_).python.eggs; !eggs.empty()) {
    ::setenv("PYTHON_EGG_CACHE", eggs.c_str(), 1);
  }
  wsgix_failure why{};
  if ((*opened)->start(&start_, &why) != 0) return Failed(runtime::to_error(why));
  runtime_ = *opened;
  return {};
}

/// The whole life of Python's main thread.
void EmbeddedPython::live() {
  const Result<void> started = open_and_start();
  if (started) preload();
  std::unique_lock lock(mutex_);
  if (!started) failure_ = started.error();
  // stop() may have come first.
  if (state_ == State::NotStarted) state_ = started ? State::Running : State::Failed;
  changed_.notify_all();
  if (!started) return;
  changed_.wait(lock, [this] { return state_ == State::Stopping; });
  lock.unlock();
  runtime_->stop(1);
}

Result<void> EmbeddedPython::start() {
  std::unique_lock lock(mutex_);
  if (state_ == State::NotStarted && !thread_.joinable()) {
    // httpd -X may unload this module and live on.
    os::declare_original_process(is_single_process() ? os::ExitHandlers::Left
                                                     : os::ExitHandlers::SkippedInCopies);
    // Signals are httpd's: a thread that took one would run httpd's handler in Python's thread.
    const SignalBlock block;
    thread_ = std::thread([this]() noexcept { live(); });
  }
  changed_.wait(lock, [this] { return state_ != State::NotStarted; });
  if (state_ == State::Running) return {};
  if (failure_) return Failed(*failure_);
  return failed(ErrorCode::PythonDidNotStart, "this httpd child is ending");
}

bool EmbeddedPython::wait_until_empty() {
  // Without threads the request that is inside waits for us: we run in its signal handler.
  const bool can_leave = mpm_number(AP_MPMQ_IS_THREADED, 0) != 0;
  const Deadline deadline = after(can_leave ? kStopWait : milliseconds{0});
  while (inside_.load() != 0) {
    if (Clock::now() >= deadline) return false;
    std::this_thread::sleep_for(kStopLook);
  }
  return true;
}

bool EmbeddedPython::stop() {
  if (!thread_.joinable()) return true;
  if (!wait_until_empty()) {
    log_line(main_, LogLevel::Warning, {}, 0,
             "a request is still running in embedded mode: Python ends without its exit handlers");
    return false;
  }
  watchdog_.reset();
  {
    const std::lock_guard lock(mutex_);
    state_ = State::Stopping;
  }
  changed_.notify_all();
  thread_.join();
  return true;
}

/// Scripts whose group and interpreter are both written in their alias. A failure is logged by
/// the runtime and the request that needs the script tries again.
void EmbeddedPython::preload() {
  for (wsgi::OwnedScriptRef& preload : preloads_of(main_, {})) {
    wsgix_failure why{};
    preload.reloading = wsgi::ScriptReloading::On;
    const wsgix_script script = runtime::script_of(preload);
    runtime_->load_script(&script, &why);
  }
}

/// Only for servers that use deadlines. It inherits the mask: httpd's signals are not for it.
runtime::RequestWatchdog& EmbeddedPython::watchdog() {
  std::call_once(watchdog_made_, [this] {
    const SignalBlock block;
    watchdog_ = std::make_unique<runtime::RequestWatchdog>(
        *runtime_, runtime::RequestWatchdog::Duties{{}, false, log_});
  });
  return *watchdog_;
}

int EmbeddedPython::handle(request_rec& r, const Route& route, BodyFacts body) {
  // Before start(): a request that waits there counts as inside for stop().
  inside_.fetch_add(1);
  const ScopeExit leave([this]() noexcept { inside_.fetch_sub(1); });
  if (const Result<void> started = start(); !started) {
    log(r, LogLevel::Error, started.error());
    return HTTP_INTERNAL_SERVER_ERROR;
  }
  EmbeddedStream stream(r, route, body);
  return stream.run(*runtime_, stream.deadline_us() != 0 ? &watchdog() : nullptr);
}

}  // namespace wsgix::httpd

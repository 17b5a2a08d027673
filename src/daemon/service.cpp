// SPDX-License-Identifier: Apache-2.0
// The life of a process with threads=0, whose main thread belongs to the scripts.
#include <fmt/format.h>
#include <pthread.h>
#include <unistd.h>

#include <atomic>
#include <csignal>

#include "python.hpp"
#include "worker_process.hpp"
#include "wsgix/base/clock.hpp"
#include "wsgix/base/signal_block.hpp"
#include "wsgix/daemon/control.hpp"
#include "wsgix/os/child.hpp"
#include "wsgix/os/descriptors.hpp"
#include "wsgix/os/poll_set.hpp"
#include "wsgix/os/thread.hpp"

namespace wsgix::daemon {
namespace {

constexpr std::size_t kWatchdogStackBytes = 256 * 1024;

// ---- signals: a script may replace every one of these with signal.signal() ----

// What the handlers touch; see src/README.md#globals.
std::atomic<bool> asked_to_end = false;
std::atomic<bool> python_runs = false;
static_assert(std::atomic<bool>::is_always_lock_free);

/// Only outside of a script: while one runs Python has its own handler for these.
extern "C" void end_soon(int) noexcept {
  asked_to_end = true;
  if (!python_runs) ::_exit(0);
}

extern "C" void end_like_sigterm(int) noexcept { ::raise(SIGTERM); }

/// Not SIG_IGN, which the programs that a script starts would inherit.
extern "C" void do_nothing(int) noexcept {}

void install_handlers() {
  constexpr struct {
    int signal;
    void (*handler)(int);
  } kHandlers[] = {
      {SIGTERM, end_soon},  {SIGINT, end_soon},    {SIGUSR1, end_like_sigterm},
      {SIGHUP, do_nothing}, {SIGUSR2, do_nothing}, {SIGXCPU, end_like_sigterm},
      {SIGCHLD, SIG_DFL},
  };
  for (const auto& [signal, handler] : kHandlers) {
    struct sigaction action {};
    action.sa_handler = handler;
    action.sa_flags = SA_RESTART;
    ::sigaction(signal, &action, nullptr);
  }
}

/// The new thread gets none: a signal has to interrupt what the script waits for.
Result<os::Thread> start_without_signals(std::function<void()> body) {
  const SignalBlock block;
  return os::Thread::start(kWatchdogStackBytes, std::move(body));
}

/// Watches httpd and the supervisor while the main thread belongs to the scripts.
class ServiceWatchdog {
 public:
  /// `ending`: a byte means that the scripts are over, its end that Python is.
  ServiceWatchdog(const WorkerContext& context, int ending) noexcept
      : context_(context), ending_(ending), main_thread_(::pthread_self()) {}

  void watch();

 private:
  void on_supervisor();
  /// False when Python has ended.
  bool on_main_thread();
  void allow_shutdown_time();
  void give_up() const;

  const WorkerContext& context_;
  int ending_;
  pthread_t main_thread_;
  bool supervisor_gone_ = false;
  bool told_ = false;
  Deadline deadline_ = kNever;
};

void ServiceWatchdog::watch() {
  for (;;) {
    bool is_over = false;
    os::PollSet set;
    end_with_httpd(context_, set);
    set.add(ending_, POLLIN, [&] { is_over = !on_main_thread(); });
    set.add(supervisor_gone_ ? -1 : context_.control, POLLIN, [&] {
      if (!is_over) on_supervisor();
    });
    set.wait(deadline_);
    if (is_over) return;
    if (Clock::now() >= deadline_) give_up();
  }
}

void ServiceWatchdog::on_supervisor() {
  const auto word = receive_word(context_.control);
  if (word && *word != Word::Retire) return;
  if (!word) {
    supervisor_gone_ = true;
    allow_shutdown_time();
  }
  asked_to_end = true;
  // Not to end the thread: Python has a handler there, which raises SystemExit in the script.
  // NOLINTNEXTLINE(bugprone-bad-signal-to-kill-thread)
  if (!std::exchange(told_, true)) ::pthread_kill(main_thread_, SIGTERM);
}

bool ServiceWatchdog::on_main_thread() {
  char byte = 0;
  if (::read(ending_, &byte, 1) != 1) return false;
  allow_shutdown_time();
  return true;
}

void ServiceWatchdog::allow_shutdown_time() {
  const milliseconds allowed = context_.settings.daemon.shutdown_timeout;
  if (allowed > milliseconds::zero()) deadline_ = std::min(deadline_, after(allowed));
}

void ServiceWatchdog::give_up() const {
  context_.log.write(
      LogLevel::Error,
      Error{ErrorCode::WorkerForced,
            fmt::format("group '{}': service process {} has not ended in time and is ended",
                        context_.settings.daemon.name, ::getpid()),
            0,
            "find the script, thread or exit handler that did not end, or raise "
            "shutdown-timeout="});
  ::_exit(kExitFailed);
}

Result<bool> serve(const WorkerContext& context) {
  auto ending = os::make_pipe();
  if (!ending) return failed(ending);
  install_handlers();
  if (auto asked = os::ask_for_parent_death_signal(0); !asked) return failed(asked);
  ServiceWatchdog watchdog(context, ending->read_end.get());
  auto thread = start_without_signals([&watchdog] { watchdog.watch(); });
  if (!thread) return failed(thread);

  Python python(context.settings, context.stacks, context.board, context.log);
  python_runs = true;
  send_report(context.control, {Report::Ready, Cause::None});
  const bool fine =
      python.run_services(context.settings.preloads, [] { return asked_to_end.load(); });
  [[maybe_unused]] const ssize_t told = ::write(ending->write_end.get(), "e", 1);
  python.stop();
  ending->write_end.reset();
  thread->join();
  // What failed before somebody asked for the end is in the log already.
  return fine || asked_to_end;
}

}  // namespace

int run_service(const WorkerContext& context) {
  become_original(context);
  const auto fine = serve(context);
  if (!fine) {
    context.log.write(LogLevel::Alert, of_group(context.settings.daemon.name, fine.error()));
  }
  return fine && *fine ? 0 : kExitFailed;
}

}  // namespace wsgix::daemon

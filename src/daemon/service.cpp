// SPDX-License-Identifier: Apache-2.0
#include "wsgix/daemon/service.hpp"

#include <fmt/format.h>
#include <poll.h>
#include <pthread.h>
#include <unistd.h>

#include <atomic>
#include <csignal>

#include "python.hpp"
#include "wsgix/base/clock.hpp"
#include "wsgix/daemon/control.hpp"
#include "wsgix/os/child.hpp"
#include "wsgix/os/descriptors.hpp"
#include "wsgix/os/thread.hpp"

namespace wsgix::daemon {
namespace {

constexpr int kExitFailed = 1;
constexpr std::size_t kWatchmanStackBytes = 256 * 1024;

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
  sigset_t all;
  sigset_t before;
  ::sigfillset(&all);
  ::pthread_sigmask(SIG_SETMASK, &all, &before);
  auto thread = os::Thread::start(kWatchmanStackBytes, std::move(body));
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  return thread;
}

/// Watches httpd and the supervisor while the main thread belongs to the scripts.
class Watchman {
 public:
  /// `ending`: a byte means that the scripts are over, its end that Python is.
  Watchman(const WorkerPlace& place, int ending) noexcept
      : place_(place), ending_(ending), main_thread_(::pthread_self()) {}

  void watch();

 private:
  void hear_supervisor();
  /// False when Python has ended.
  bool hear_main_thread();
  void allow_shutdown_time();
  void give_up() const;

  const WorkerPlace& place_;
  int ending_;
  pthread_t main_thread_;
  bool supervisor_gone_ = false;
  bool told_ = false;
  Deadline deadline_ = kNever;
};

void Watchman::watch() {
  for (;;) {
    pollfd watched[] = {{place_.lifeline, POLLIN, 0},
                        {supervisor_gone_ ? -1 : place_.control, POLLIN, 0},
                        {ending_, POLLIN, 0}};
    ::poll(watched, std::size(watched), poll_timeout(deadline_));
    if (os::has_ended(place_.lifeline)) ::_exit(kExitFailed);
    if (watched[2].revents != 0 && !hear_main_thread()) return;
    if (watched[1].revents != 0) hear_supervisor();
    if (Clock::now() >= deadline_) give_up();
  }
}

void Watchman::hear_supervisor() {
  const auto word = receive_word(place_.control);
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

bool Watchman::hear_main_thread() {
  char byte = 0;
  if (::read(ending_, &byte, 1) != 1) return false;
  allow_shutdown_time();
  return true;
}

void Watchman::allow_shutdown_time() {
  const milliseconds allowed = place_.settings.daemon.shutdown_timeout;
  if (allowed > milliseconds::zero()) deadline_ = std::min(deadline_, after(allowed));
}

void Watchman::give_up() const {
  place_.log.write(
      LogLevel::Error,
      Error{ErrorCode::WorkerForced,
            fmt::format("group '{}': service process {} has not ended in time and is ended",
                        place_.settings.daemon.name, ::getpid()),
            0,
            "find the script, thread or exit handler that did not end, or raise "
            "shutdown-timeout="});
  ::_exit(kExitFailed);
}

Result<bool> serve(const WorkerPlace& place) {
  auto ending = os::make_pipe();
  if (!ending) return failed(ending);
  install_handlers();
  if (auto asked = os::ask_for_parent_death_signal(0); !asked) return failed(asked);
  Watchman watchman(place, ending->read_end.get());
  auto thread = start_without_signals([&watchman] { watchman.watch(); });
  if (!thread) return failed(thread);

  Python python(place.settings, place.stacks, place.log);
  python_runs = true;
  send_report(place.control, {Report::Ready, Cause::None});
  const bool fine =
      python.run_services(place.settings.preloads, [] { return asked_to_end.load(); });
  [[maybe_unused]] const ssize_t told = ::write(ending->write_end.get(), "e", 1);
  python.stop();
  ending->write_end.reset();
  thread->join();
  // What failed before somebody asked for the end is in the log already.
  return fine || asked_to_end;
}

}  // namespace

int run_service(const WorkerPlace& place) {
  const auto fine = serve(place);
  if (!fine) place.log.write(LogLevel::Alert, fine.error());
  return fine && *fine ? 0 : kExitFailed;
}

}  // namespace wsgix::daemon

// SPDX-License-Identifier: Apache-2.0
#include "wsgix/daemon/worker.hpp"

#include <fmt/format.h>
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <vector>

#include "dispatcher.hpp"
#include "python.hpp"
#include "wsgix/daemon/control.hpp"
#include "wsgix/os/child.hpp"
#include "wsgix/os/descriptors.hpp"
#include "wsgix/os/signals.hpp"
#include "wsgix/os/thread.hpp"

namespace wsgix::daemon {
namespace {

constexpr int kExitFailed = 1;
/// What a main thread usually has: deep recursion in an application behaves like under a shell.
constexpr std::size_t kStackBytes = 8 * 1024 * 1024;

/// Tells the supervisor what the serving threads find out.
class Reporter final : public DispatcherEvents {
 public:
  explicit Reporter(int control) noexcept : control_(control) {}
  void script_is_stale() noexcept override {
    send_report(control_, {Report::Leaving, Cause::ScriptReload});
  }
  void request_limit_reached() noexcept override {
    send_report(control_, {Report::WantsSuccessor, Cause::MaximumRequests});
  }

 private:
  int control_;
};

/// The main thread's watch over everything that is not a request.
class Watch {
 public:
  Watch(const WorkerPlace& place, os::SignalPipe& signals, Dispatcher& dispatcher) noexcept
      : place_(place), signals_(signals), dispatcher_(dispatcher) {}

  /// Returns once every connection is closed. Does not return when httpd has gone.
  void until_drained();

 private:
  void hear_signals();
  void hear_supervisor();

  const WorkerPlace& place_;
  os::SignalPipe& signals_;
  Dispatcher& dispatcher_;
  bool supervisor_gone_ = false;
  Deadline deadline_ = kNever;  ///< enforced here only when there is no supervisor any more
};

void Watch::until_drained() {
  for (;;) {
    pollfd watched[] = {{signals_.fd(), POLLIN, 0},
                        {place_.lifeline, POLLIN, 0},
                        {dispatcher_.drained_fd(), POLLIN, 0},
                        {supervisor_gone_ ? -1 : place_.control, POLLIN, 0}};
    ::poll(watched, std::size(watched), poll_timeout(deadline_));
    if (os::has_ended(place_.lifeline)) ::_exit(kExitFailed);
    if (watched[2].revents != 0) return;
    if (watched[0].revents != 0) hear_signals();
    if (watched[3].revents != 0) hear_supervisor();
    if (Clock::now() >= deadline_) {
      place_.log.write(LogLevel::Error,
                       Error{ErrorCode::WorkerForced,
                             fmt::format("group '{}': worker {} ends with requests still running: "
                                         "its supervisor has gone",
                                         place_.settings.daemon.name, ::getpid())});
      ::_exit(kExitFailed);
    }
  }
}

void Watch::hear_signals() {
  for (const int signal : signals_.take()) {
    if (signal == SIGTERM || signal == SIGINT) {
      if (dispatcher_.begin_drain()) {
        send_report(place_.control, {Report::Leaving, Cause::Signal});
      }
    } else if (signal == SIGUSR1) {
      send_report(place_.control, {Report::WantsSuccessor, Cause::Asked});
    }
  }
}

void Watch::hear_supervisor() {
  const auto word = receive_word(place_.control);
  if (word && *word != Word::Retire) return;
  dispatcher_.begin_drain();
  if (word) return;
  supervisor_gone_ = true;
  const milliseconds allowed = place_.settings.daemon.shutdown_timeout;
  if (allowed > milliseconds::zero()) deadline_ = after(allowed);
}

DispatcherSettings dispatcher_settings(const WorkerPlace& place) {
  const config::HostSettings& settings = place.settings;
  return {.group = settings.daemon.name,
          .token = settings.token,
          .peer_uid = settings.peer_uid,
          .threads = settings.daemon.threads,
          .maximum_requests = settings.daemon.maximum_requests,
          .patience = settings.socket_timeout,
          .slot = place.slot_number};
}

/// One thread more than may run requests: it tells children that this worker is busy.
Result<std::vector<os::Thread>> start_threads(Dispatcher& dispatcher,
                                              const config::DaemonSettings& settings) {
  const std::size_t stack =
      settings.stack_size > 0 ? static_cast<std::size_t>(settings.stack_size) : kStackBytes;
  std::vector<os::Thread> started;
  for (int i = 0; i <= settings.threads; ++i) {
    auto thread = os::Thread::start(stack, [&dispatcher] { dispatcher.serve(); });
    if (!thread) {
      dispatcher.begin_drain();  // those that run already must return before they are joined
      return failed(thread);
    }
    started.push_back(std::move(*thread));
  }
  return started;
}

/// From here on the kernel ends this process with its supervisor. When that has gone already, the
/// exit handlers of the application still get their time, and not more.
void end_with_supervisor(const WorkerPlace& place) {
  constexpr seconds kLeast{5};
  const auto asked = os::ask_for_parent_death_signal(SIGKILL);
  if (asked && !os::has_ended(place.lifeline) && ::getppid() == place.supervisor) return;
  const auto allowed = std::chrono::ceil<seconds>(place.settings.daemon.shutdown_timeout);
  ::alarm(static_cast<unsigned>(std::max(allowed, kLeast).count()));
}

Result<void> serve(const WorkerPlace& place) {
  auto signals = os::SignalPipe::open({SIGTERM, SIGINT, SIGUSR1, SIGUSR2, SIGHUP});
  if (!signals) return failed(signals);

  // While Python is starting or ending nobody here hears that the supervisor has gone.
  end_with_supervisor(place);
  Python python(place.settings, place.log);
  python.load(place.settings.preloads);

  Reporter reporter(place.control);
  auto dispatcher = Dispatcher::create(dispatcher_settings(place), place.listener,
                                       python.application(), place.slot, reporter, place.log);
  if (!dispatcher) return failed(dispatcher);
  auto threads = start_threads(**dispatcher, place.settings.daemon);
  if (!threads) return failed(threads);

  if (auto outlives = os::ask_for_parent_death_signal(0); !outlives) return outlives;
  send_report(place.control, {Report::Ready, Cause::None});
  Watch(place, *signals, **dispatcher).until_drained();
  end_with_supervisor(place);
  threads->clear();
  python.stop();
  return {};
}

}  // namespace

int run_worker(const WorkerPlace& place) {
  const auto served = serve(place);
  if (served) return 0;
  place.log.write(LogLevel::Alert, served.error());
  return kExitFailed;
}

}  // namespace wsgix::daemon

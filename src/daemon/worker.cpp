// SPDX-License-Identifier: Apache-2.0
#include "wsgix/daemon/worker.hpp"

#include <fmt/format.h>
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <memory>
#include <vector>

#include "dispatcher.hpp"
#include "python.hpp"
#include "wsgix/daemon/control.hpp"
#include "wsgix/os/child.hpp"
#include "wsgix/os/descriptors.hpp"
#include "wsgix/os/signals.hpp"
#include "wsgix/os/thread.hpp"
#include "wsgix/runtime/attendant.hpp"

namespace wsgix::daemon {
namespace {

constexpr int kExitFailed = 1;
/// What a main thread usually has: deep recursion in an application behaves like under a shell.
constexpr std::size_t kDefaultStackBytes = 8 * 1024 * 1024;
/// For a worker without a supervisor, whatever the settings say.
constexpr seconds kLeastTimeToEnd{5};

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
  void script_is_used(const ScriptUse& script) noexcept override {
    send_report(control_, {Report::UsesScript, Cause::None, script});
  }

 private:
  int control_;
};

/// The main thread's watch over everything that is not a request.
class Watch {
 public:
  Watch(const WorkerPlace& place, os::SignalPipe& signals, Dispatcher& dispatcher,
        runtime::Attendant* attendant) noexcept
      : place_(place), signals_(signals), dispatcher_(dispatcher), attendant_(attendant) {}

  /// Returns once every connection is closed. Does not return when httpd has gone.
  void until_drained();

 private:
  void hear_signals();
  void hear_supervisor();

  const WorkerPlace& place_;
  os::SignalPipe& signals_;
  Dispatcher& dispatcher_;
  runtime::Attendant* attendant_;  ///< null when Python did not start
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
    } else if (signal == SIGXCPU) {
      send_report(place_.control, {Report::WantsSuccessor, Cause::CpuTimeLimit});
    }
  }
}

void Watch::hear_supervisor() {
  const auto word = receive_word(place_.control);
  if (word && *word != Word::Retire) {
    if (*word == Word::WriteStacks && attendant_ != nullptr) attendant_->write_stacks();
    return;
  }
  dispatcher_.begin_drain();
  if (word) return;
  supervisor_gone_ = true;
  const config::DaemonSettings& daemon = place_.settings.daemon;
  const bool ends_sometime = daemon.shutdown_timeout > milliseconds::zero();
  deadline_ = after(ends_sometime ? daemon.shutdown_timeout
                                  : daemon.graceful_timeout + milliseconds(kLeastTimeToEnd));
}

/// Processes that started together must not all be replaced together: up to a tenth sooner.
int spread_request_limit(const config::DaemonSettings& daemon) {
  const int spread = daemon.processes > 1 ? daemon.maximum_requests / 10 : 0;
  return daemon.maximum_requests - static_cast<int>(::getpid() % (spread + 1));
}

/// request-timeout is meant for a process: a request may have more time the more threads there are
/// (contract). Only with interrupt-timeout the request itself is interrupted first.
Clock::duration interrupt_after(const config::DaemonSettings& daemon) {
  if (daemon.interrupt_timeout == milliseconds::zero()) return {};
  return config::request_time_limit(daemon);
}

DispatcherSettings dispatcher_settings(const WorkerPlace& place, runtime::Attendant* attendant) {
  const config::HostSettings& settings = place.settings;
  return {.group = settings.daemon.name,
          .token = settings.token,
          .peer_uid = settings.peer_uid,
          .threads = settings.daemon.threads,
          .maximum_requests = spread_request_limit(settings.daemon),
          .patience = settings.socket_timeout,
          .slot = place.slot_number,
          .interrupt_after = interrupt_after(settings.daemon),
          .attendant = attendant};
}

/// One thread more than may run requests: it tells children that this worker is busy.
Result<std::vector<os::Thread>> start_threads(Dispatcher& dispatcher,
                                              const config::DaemonSettings& daemon) {
  const auto stack = static_cast<std::size_t>(daemon.stack_size);
  std::vector<os::Thread> started;
  for (int i = 0; i <= daemon.threads; ++i) {
    auto thread = os::Thread::start(stack != 0 ? stack : kDefaultStackBytes,
                                    [&dispatcher] { dispatcher.serve(); });
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
  const auto asked = os::ask_for_parent_death_signal(SIGKILL);
  if (asked && !os::has_ended(place.lifeline) && ::getppid() == place.supervisor) return;
  const auto allowed = std::chrono::ceil<seconds>(place.settings.daemon.shutdown_timeout);
  ::alarm(static_cast<unsigned>(std::max(allowed, kLeastTimeToEnd).count()));
}

std::unique_ptr<runtime::Attendant> attendant_for(const WorkerPlace& place,
                                                  const Application& application) {
  if (application.runtime == nullptr) return nullptr;
  std::atomic<std::int64_t>& heartbeat = place.board.workers[place.slot_number].heartbeat_us;
  return std::make_unique<runtime::Attendant>(
      *application.runtime,
      runtime::Attendant::Duties{
          .heartbeat = [&heartbeat] { heartbeat.store(scoreboard::now_us()); },
          .interrupt_when_client_is_gone = place.settings.daemon.interrupt_on_disconnect,
          .log = place.log});
}

/// No Python, or a Rolling script that cannot be loaded: the supervisor may have an older worker
/// that can.
bool may_serve_all_the_same(const WorkerPlace& place, os::SignalPipe& signals) {
  send_report(place.control, {Report::CannotLoad, Cause::None});
  for (;;) {
    pollfd watched[] = {
        {signals.fd(), POLLIN, 0}, {place.lifeline, POLLIN, 0}, {place.control, POLLIN, 0}};
    ::poll(watched, std::size(watched), -1);
    for (const int signal : signals.take()) {
      if (signal == SIGTERM || signal == SIGINT) return false;
    }
    if (watched[1].revents != 0) return false;
    const auto word = receive_word(place.control);
    if (!word || *word == Word::Retire) return false;
    if (*word == Word::Serve) return true;
  }
}

Result<void> serve(const WorkerPlace& place) {
  auto signals = os::SignalPipe::open({SIGTERM, SIGINT, SIGUSR1, SIGUSR2, SIGHUP, SIGXCPU});
  if (!signals) return failed(signals);

  // While Python is starting or ending nobody here hears that the supervisor has gone.
  end_with_supervisor(place);
  Python python(place.settings, place.stacks, place.log);
  if (!python.load(place.settings.preloads) && !may_serve_all_the_same(place, *signals)) {
    python.stop();
    return {};
  }

  Reporter reporter(place.control);
  auto attendant = attendant_for(place, python.application());
  auto dispatcher = Dispatcher::create(dispatcher_settings(place, attendant.get()), place.listener,
                                       python.application(), place.board, reporter, place.log);
  if (!dispatcher) return failed(dispatcher);
  auto threads = start_threads(**dispatcher, place.settings.daemon);
  if (!threads) return failed(threads);

  if (auto outlives = os::ask_for_parent_death_signal(0); !outlives) return outlives;
  send_report(place.control, {Report::Ready, Cause::None});
  Watch(place, *signals, **dispatcher, attendant.get()).until_drained();
  end_with_supervisor(place);
  threads->clear();
  attendant.reset();
  // Nobody proves progress any more: what ends now has shutdown-timeout, not deadlock-timeout.
  place.board.workers[place.slot_number].heartbeat_us.store(0);
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

// SPDX-License-Identifier: Apache-2.0
#include "wsgix/daemon/worker.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <memory>
#include <vector>

#include "dispatcher.hpp"
#include "python.hpp"
#include "worker_process.hpp"
#include "wsgix/base/scope_exit.hpp"
#include "wsgix/daemon/control.hpp"
#include "wsgix/os/child.hpp"
#include "wsgix/os/descriptors.hpp"
#include "wsgix/os/poll_set.hpp"
#include "wsgix/os/signals.hpp"
#include "wsgix/os/thread.hpp"
#include "wsgix/runtime/request_watchdog.hpp"

namespace wsgix::daemon {
namespace {

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
  void script_is_used(const wsgi::OwnedScriptRef& script) noexcept override {
    send_report(control_, {Report::UsesScript, Cause::None, script});
  }

 private:
  int control_;
};

/// The main thread's watch over everything that is not a request.
class Watch {
 public:
  Watch(const WorkerContext& context, os::SignalPipe& signals, Dispatcher& dispatcher,
        runtime::RequestWatchdog* watchdog) noexcept
      : context_(context), signals_(signals), dispatcher_(dispatcher), watchdog_(watchdog) {}

  /// Returns once every connection is closed. Does not return when httpd has gone.
  void until_drained();

 private:
  void on_signals();
  void on_supervisor();

  const WorkerContext& context_;
  os::SignalPipe& signals_;
  Dispatcher& dispatcher_;
  runtime::RequestWatchdog* watchdog_;  ///< null when Python did not start
  bool supervisor_gone_ = false;
  Deadline deadline_ = kNever;  ///< enforced here only when there is no supervisor any more
};

void Watch::until_drained() {
  for (;;) {
    bool is_drained = false;
    os::PollSet set;
    end_with_httpd(context_, set);
    set.add(dispatcher_.drained_fd(), POLLIN, [&] { is_drained = true; });
    set.add(signals_.fd(), POLLIN, [this] { on_signals(); });
    set.add(supervisor_gone_ ? -1 : context_.control, POLLIN, [this] { on_supervisor(); });
    set.wait(deadline_);
    if (is_drained) return;
    if (Clock::now() >= deadline_) {
      context_.log.write(
          LogLevel::Error,
          Error{ErrorCode::WorkerForced,
                fmt::format("group '{}': worker {} ends with requests still running: "
                            "its supervisor has gone",
                            context_.settings.daemon.name, ::getpid())});
      ::_exit(kExitFailed);
    }
  }
}

void Watch::on_signals() {
  for (const int signal : signals_.take()) {
    if (signal == SIGTERM || signal == SIGINT) {
      if (dispatcher_.begin_drain()) {
        send_report(context_.control, {Report::Leaving, Cause::Signal});
      }
    } else if (signal == SIGUSR1) {
      send_report(context_.control, {Report::WantsSuccessor, Cause::Asked});
    } else if (signal == SIGXCPU) {
      send_report(context_.control, {Report::WantsSuccessor, Cause::CpuTimeLimit});
    }
  }
}

void Watch::on_supervisor() {
  const auto word = receive_word(context_.control);
  if (word && *word != Word::Retire) {
    if (*word == Word::WriteStacks && watchdog_ != nullptr) watchdog_->write_stacks();
    return;
  }
  dispatcher_.begin_drain();
  if (word) return;
  supervisor_gone_ = true;
  const config::DaemonSettings& daemon = context_.settings.daemon;
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

DispatcherSettings dispatcher_settings(const WorkerContext& context,
                                       runtime::RequestWatchdog* watchdog) {
  const config::HostSettings& settings = context.settings;
  return {.group = settings.daemon.name,
          .token = settings.token,
          .peer_uid = settings.peer_uid,
          .threads = settings.daemon.threads,
          .maximum_requests = spread_request_limit(settings.daemon),
          .head_limit = static_cast<std::size_t>(settings.daemon.head_limit),
          .send_buffer_size = settings.daemon.send_buffer_size,
          .receive_buffer_size = settings.daemon.receive_buffer_size,
          .patience = settings.socket_timeout,
          .slot = context.slot_number,
          .interrupt_after = interrupt_after(settings.daemon),
          .watchdog = watchdog};
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
void end_with_supervisor(const WorkerContext& context) {
  const auto asked = os::ask_for_parent_death_signal(SIGKILL);
  if (asked && !os::has_ended(context.lifeline) && ::getppid() == context.supervisor) return;
  const auto allowed = std::chrono::ceil<seconds>(context.settings.daemon.shutdown_timeout);
  ::alarm(static_cast<unsigned>(std::max(allowed, kLeastTimeToEnd).count()));
}

std::unique_ptr<runtime::RequestWatchdog> watchdog_for(const WorkerContext& context,
                                                       const Application& application) {
  if (application.runtime == nullptr) return nullptr;
  std::atomic<std::int64_t>& heartbeat = context.board.workers[context.slot_number].heartbeat_us;
  return std::make_unique<runtime::RequestWatchdog>(
      *application.runtime,
      runtime::RequestWatchdog::Duties{
          .heartbeat = [&heartbeat] { heartbeat.store(scoreboard::now_us()); },
          .interrupt_when_client_is_gone = context.settings.daemon.interrupt_on_disconnect,
          .log = context.log});
}

/// No Python, or a Rolling script that cannot be loaded: the supervisor may have an older worker
/// that can.
bool may_serve_all_the_same(const WorkerContext& context, os::SignalPipe& signals) {
  send_report(context.control, {Report::CannotLoad, Cause::None});
  for (;;) {
    bool httpd_is_gone = false;
    os::PollSet set;
    set.add(signals.fd(), POLLIN);
    set.add(context.lifeline, POLLIN, [&] { httpd_is_gone = true; });
    set.add(context.control, POLLIN);
    set.wait(kNever);
    for (const int signal : signals.take()) {
      if (signal == SIGTERM || signal == SIGINT) return false;
    }
    if (httpd_is_gone) return false;
    const auto word = receive_word(context.control);
    if (!word || *word == Word::Retire) return false;
    if (*word == Word::Serve) return true;
  }
}

Result<void> serve(const WorkerContext& context) {
  auto signals = os::SignalPipe::open({SIGTERM, SIGINT, SIGUSR1, SIGUSR2, SIGHUP, SIGXCPU});
  if (!signals) return failed(signals);

  // While Python is starting or ending nobody here hears that the supervisor has gone.
  end_with_supervisor(context);
  Python python(context.settings, context.stacks, context.board, context.log);
  if (!python.load(context.settings.preloads) && !may_serve_all_the_same(context, *signals)) {
    python.stop();
    return {};
  }

  Reporter reporter(context.control);
  auto watchdog = watchdog_for(context, python.application());
  auto dispatcher =
      Dispatcher::create(dispatcher_settings(context, watchdog.get()), context.listener,
                         python.application(), context.board, reporter, context.log);
  if (!dispatcher) return failed(dispatcher);
  auto threads = start_threads(**dispatcher, context.settings.daemon);
  if (!threads) return failed(threads);
  // They are joined, also where this fails: they must not go on waiting for what never comes.
  const ScopeExit drain([&]() noexcept { (*dispatcher)->begin_drain(); });

  if (auto outlives = os::ask_for_parent_death_signal(0); !outlives) return outlives;
  send_report(context.control, {Report::Ready, Cause::None});
  if (auto accepts = (*dispatcher)->accept_connections(); !accepts) return accepts;
  Watch(context, *signals, **dispatcher, watchdog.get()).until_drained();
  end_with_supervisor(context);
  threads->clear();
  watchdog.reset();
  // Nobody proves progress any more: what ends now has shutdown-timeout, not deadlock-timeout.
  context.board.workers[context.slot_number].heartbeat_us.store(0);
  python.stop();
  return {};
}

}  // namespace

int run_worker(const WorkerContext& context) {
  become_original(context);
  const auto served = serve(context);
  if (served) return 0;
  context.log.write(LogLevel::Alert, of_group(context.settings.daemon.name, served.error()));
  return kExitFailed;
}

}  // namespace wsgix::daemon

// SPDX-License-Identifier: Apache-2.0
#include "ending_text.hpp"

#include <fmt/format.h>
#include <time.h>

#include "wsgix/scoreboard/threads.hpp"
#include "wsgix/scoreboard/words.hpp"

namespace wsgix::httpd {
namespace {

using relay::Ending;

constexpr int kLooksForDeath = 30;
constexpr timespec kBetweenLooks{0, 10'000'000};

std::string time_since(Clock::time_point start) {
  return scoreboard::in_words(
      std::chrono::duration_cast<std::chrono::microseconds>(Clock::now() - start));
}

/// How a worker ended whose connection has: it may take a moment until its end is written down.
std::string explain_loss(const scoreboard::Board& board, std::uint32_t pid) {
  if (pid == 0) return "the connection was closed before the worker named itself";
  const std::string subject = fmt::format("worker pid {} ", pid);
  // Now: its slots on the board are taken back when its end has been written down.
  const auto running = scoreboard::running_requests(board, pid);
  const std::string stuck = running.empty() ? std::string() : running.front().text;
  for (int look = 0; look < kLooksForDeath; ++look) {
    if (const std::optional<scoreboard::Death> death = scoreboard::find_death(board, pid)) {
      return subject + scoreboard::describe(*death, stuck);
    }
    ::nanosleep(&kBetweenLooks, nullptr);
  }
  return subject + "closed the connection";
}

/// The thread that runs this request, as the scoreboard shows it.
std::string what_its_worker_does(const EndingRequest& request) {
  const std::uint32_t pid = *request.worker;
  if (pid == 0) return "a worker that has not named itself has it";
  std::string text =
      fmt::format("worker pid {} has had it for {}", pid, time_since(request.timers.handed_over()));
  for (const auto& running : scoreboard::running_requests(request.pool.board(), pid)) {
    if (running.deadline_us != request.deadline_us) continue;
    const bool loads = running.phase == scoreboard::ThreadPhase::Loading;
    const std::chrono::microseconds age(scoreboard::now_us() - running.phase_us);
    text +=
        fmt::format(", and its thread {} has been {} for {}", running.thread_id,
                    loads ? "loading the script" : "in the application", scoreboard::in_words(age));
    break;
  }
  return text;
}

std::string about_deadline(const EndingRequest& request) {
  const auto& [span, place] = request.route.deadline;
  const std::string limit = place != nullptr ? fmt::format("WSGIRequestDeadline at {}", place)
                                             : fmt::format("request-deadline= of the group, {}",
                                                           request.pool.group().place);
  const std::string worker = request.worker ? what_its_worker_does(request)
                                            : "it waited for a free thread and was not executed: " +
                                                  request.pool.describe_load();
  return fmt::format("there was no whole response within {} ({}); {}", scoreboard::in_words(span),
                     limit, worker);
}

std::string words_for(Ending ending, const EndingRequest& request, const Error& failure) {
  const relay::Timers& timers = request.timers;
  ConnectionPool& pool = request.pool;
  switch (ending) {
    case Ending::ClientGone: return "the client closed the connection";
    case Ending::BodyTooSlow:
    case Ending::BodyTooLarge:
    case Ending::BodyMalformed:
      return fmt::format("the client's body ended with an error ({})",
                         relay::outcome_of(ending).status);
    case Ending::GroupPaused: return "the operator has paused the group";
    case Ending::QueueFull:
      return fmt::format("queue-limit={} is reached: {}", pool.group().settings.queue_limit,
                         pool.describe_load());
    case Ending::GroupFull:
      return fmt::format("the group is full and the request waited {}: {}",
                         time_since(timers.started()), pool.describe_load());
    case Ending::GroupNotReady:
      return "no worker of the group was ready for " + time_since(timers.started());
    case Ending::DeadlinePassed: return about_deadline(request);
    case Ending::WorkerSilent:
      return fmt::format("worker pid {} has sent nothing for {}", request.worker.value_or(0),
                         time_since(timers.progress()));
    case Ending::WorkerLost: {
      const std::string ran = time_since(timers.handed_over());
      return fmt::format("which had run for {}: {}", ran,
                         explain_loss(pool.board(), request.worker.value_or(0)));
    }
    default: return failure.what;
  }
}

}  // namespace

Error describe(Ending ending, const EndingRequest& request, const Error& failure) {
  const request_rec& r = request.r;
  Error error = failure;
  if (const auto code = relay::outcome_of(ending).code) error = {*code, {}};
  const char* const joint = ending == Ending::WorkerLost ? ", " : ": ";
  error.what =
      fmt::format("{} {} in process group '{}'{}{}", r.method, r.unparsed_uri,
                  request.pool.group().settings.name, joint, words_for(ending, request, failure));
  return error;
}

}  // namespace wsgix::httpd

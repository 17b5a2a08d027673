// SPDX-License-Identifier: Apache-2.0
// What the end of an attempt means for the client and for the error log.
#include <fmt/format.h>

#include <cerrno>

#include "log.hpp"
#include "lost_worker.hpp"
#include "relay.hpp"
#include "wsgix/scoreboard/threads.hpp"
#include "wsgix/scoreboard/words.hpp"

namespace wsgix::httpd {
namespace {

/// Only for access logs, where nobody reads a response: the client had gone before there was one.
constexpr int kClientClosedRequest = 499;
constexpr const char* kRetryAfterSeconds = "5";

std::string time_since(Clock::time_point start) {
  return scoreboard::in_words(
      std::chrono::duration_cast<std::chrono::microseconds>(Clock::now() - start));
}

int status_for(const Error& error, bool connected) {
  if (error.code == ErrorCode::SpoolFailed) {
    const bool full = error.os_errno == ENOSPC || error.os_errno == EDQUOT;
    return full ? HTTP_INSUFFICIENT_STORAGE : HTTP_INTERNAL_SERVER_ERROR;
  }
  return connected ? HTTP_BAD_GATEWAY : HTTP_SERVICE_UNAVAILABLE;
}

}  // namespace

std::string Relay::subject() const {
  return fmt::format("{} {} in process group '{}'", r_.method, r_.unparsed_uri,
                     client_.group().settings.name);
}

Relay::Step Relay::finish(int status) {
  status_ = status;
  return Step::Done;
}

/// What the application has said before the cut still reaches the client.
Relay::Step Relay::finish_cut() {
  connection_.reset();
  [[maybe_unused]] const Result<bool> drained = ahead_.drain();
  return finish(response_.cut());
}

Relay::Step Relay::client_gone() {
  log(r_, LogLevel::Info,
      {ErrorCode::ClientGone, subject() + ": the client closed the connection"});
  r_.connection->aborted = 1;
  r_.connection->keepalive = AP_CONN_CLOSE;
  if (!response_.has_left()) {
    r_.status = kClientClosedRequest;
    r_.status_line = nullptr;
  }
  return finish(OK);
}

/// Most have left, but a few still read: a request that runs is answered, as any other of httpd's
/// handlers would. The worker sees our side closed in turn, and tells the application that asks.
Relay::Step Relay::client_closed_its_side() {
  if (is_queueing()) return client_gone();
  client_left_ = true;
  ::shutdown(connection_->channel.fd(), SHUT_WR);
  return Step::GoOn;
}

/// A body that nobody reads any more must not hold up the answer: httpd would wait for its rest.
Relay::Step Relay::refuse(int status) {
  if (facts_.has_body && !body_has_ended_) r_.connection->keepalive = AP_CONN_CLOSE;
  return finish(response_.refuse(status));
}

Relay::Step Relay::refuse_or_cut(const Error& error, int status) {
  log(r_, LogLevel::Error, error);
  return response_is_under_way() ? finish_cut() : refuse(status);
}

/// No worker has taken the request: it was not executed and may be repeated.
Relay::Step Relay::refuse_for_now(ErrorCode code, const std::string& why) {
  apr_table_setn(r_.err_headers_out, "Retry-After", kRetryAfterSeconds);
  return refuse_or_cut({code, subject() + ": " + why}, HTTP_SERVICE_UNAVAILABLE);
}

Relay::Step Relay::refuse_busy_group() {
  const std::string waited = time_since(started_);
  if (client_.load().ready_workers == 0) {
    return refuse_for_now(ErrorCode::GroupNotRunning,
                          "no worker of the group was ready for " + waited);
  }
  return refuse_for_now(ErrorCode::GroupFull,
                        fmt::format("the group is full and the request waited {}: {}", waited,
                                    client_.describe_load()));
}

Relay::Step Relay::refuse_full_queue() {
  return refuse_for_now(ErrorCode::GroupFull,
                        fmt::format("queue-limit={} is reached: {}",
                                    client_.group().settings.queue_limit, client_.describe_load()));
}

Relay::Step Relay::refuse_paused_group() {
  return refuse_for_now(ErrorCode::GroupPaused, "the operator has paused the group");
}

Relay::Step Relay::worker_is_silent() {
  if (ahead_.is_behind() && Clock::now() >= client_deadline()) return client_gone();
  if (wants_client()) return abort_body(ClientBody::State::TooSlow);
  return refuse_or_cut({ErrorCode::RequestTimedOut,
                        fmt::format("{}: worker pid {} has sent nothing for {}", subject(),
                                    connection_->worker.pid, time_since(progress_))},
                       HTTP_GATEWAY_TIME_OUT);
}

/// The thread that runs this request, as the scoreboard shows it.
std::string Relay::what_its_worker_does() const {
  const std::uint32_t pid = connection_->worker.pid;
  if (pid == 0) return "a worker that has not named itself has it";
  std::string text = fmt::format("worker pid {} has had it for {}", pid, time_since(handed_over_));
  for (const auto& running : scoreboard::running_requests(client_.board(), pid)) {
    if (running.deadline_us != head_.deadline_us) continue;
    const bool loads = running.phase == scoreboard::ThreadPhase::Loading;
    const std::chrono::microseconds age(scoreboard::now_us() - running.phase_us);
    text +=
        fmt::format(", and its thread {} has been {} for {}", running.thread_id,
                    loads ? "loading the script" : "in the application", scoreboard::in_words(age));
    break;
  }
  return text;
}

/// What waits for the client is dropped: the limit is kept, and the response is not whole anyway.
Relay::Step Relay::request_is_late() {
  const auto& [span, place] = route_.deadline;
  const std::string limit =
      place != nullptr ? fmt::format("WSGIRequestDeadline at {}", place)
                       : fmt::format("request-deadline= of the group, {}", client_.group().place);
  const std::string worker =
      connection_ != nullptr
          ? what_its_worker_does()
          : "it waited for a free thread and was not executed: " + client_.describe_load();
  log(r_, LogLevel::Error,
      {ErrorCode::RequestDeadlinePassed,
       fmt::format("{}: there was no whole response within {} ({}); {}", subject(),
                   scoreboard::in_words(span), limit, worker)});
  connection_.reset();
  return response_.has_left() ? finish(response_.cut()) : refuse(HTTP_GATEWAY_TIME_OUT);
}

/// A failure of the conversation itself, in the words of whoever reads the log.
int Relay::explain(const Error& error) {
  if (error.code == ErrorCode::PeerClosed && client_left_ && !accepted_) {
    client_gone();  // the worker saw that in time and did not begin
    return status_;
  }
  if (error.code == ErrorCode::PeerClosed && connection_ != nullptr) {
    const std::string ran = time_since(handed_over_);
    const std::string why = explain_loss(client_.board(), connection_->worker.pid);
    refuse_or_cut(
        {ErrorCode::WorkerLost, fmt::format("{}, which had run for {}: {}", subject(), ran, why)},
        HTTP_BAD_GATEWAY);
    return status_;
  }
  Error told = error;
  told.what = subject() + ": " + error.what;
  refuse_or_cut(told, status_for(error, connection_ != nullptr));
  return status_;
}

}  // namespace wsgix::httpd

// SPDX-License-Identifier: Apache-2.0
// What the end of an attempt means for the client and for the error log.
#include <fmt/format.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>

#include "log.hpp"
#include "lost_worker.hpp"
#include "relay.hpp"

namespace wsgix::httpd {
namespace {

/// Only for access logs, where nobody reads a response: the client had gone before there was one.
constexpr int kClientClosedRequest = 499;

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

Relay::Step Relay::refuse_or_cut(const Error& error, int status) {
  log(r_, LogLevel::Error, error);
  return response_is_under_way() ? finish_cut() : finish(response_.refuse(status));
}

/// No worker has taken the request: it was not executed and may be repeated.
Relay::Step Relay::refuse_busy_group() {
  const GroupClient::Load load = client_.load();
  const auto waited = std::chrono::duration_cast<seconds>(Clock::now() - started_).count();
  apr_table_setn(r_.err_headers_out, "Retry-After", "5");
  if (load.ready_workers == 0) {
    return refuse_or_cut(
        {ErrorCode::GroupNotRunning,
         fmt::format("{}: no worker of the group was ready for {} s", subject(), waited)},
        HTTP_SERVICE_UNAVAILABLE);
  }
  const auto threads = static_cast<unsigned>(std::max(client_.group().settings.threads, 1));
  return refuse_or_cut(
      {ErrorCode::GroupFull,
       fmt::format("{}: the group is full, {} of {} threads are busy; the request waited {} s",
                   subject(), load.busy, load.ready_workers * threads, waited)},
      HTTP_SERVICE_UNAVAILABLE);
}

Relay::Step Relay::deadline_passed() {
  if (is_queueing()) {
    // A worker may have taken it just now. It looks for our end before it executes, and says
    // Welcome before it looks: so without one nothing was and nothing will be executed.
    ::shutdown(connection_->channel.fd(), SHUT_WR);
    const Result<std::optional<channel::Frame>> last = connection_->channel.try_receive();
    const bool was_taken = last && *last && (*last)->type == wire::FrameType::Welcome;
    if (!was_taken) return refuse_busy_group();
    // The line below names the worker that said it.
    const Result<Step> named = on_welcome((*last)->payload);
    if (!named) return refuse_or_cut(named.error(), HTTP_BAD_GATEWAY);
  }
  if (ahead_.is_behind() && Clock::now() >= client_deadline()) return client_gone();
  const auto waited = std::chrono::duration_cast<seconds>(Clock::now() - progress_).count();
  const bool waits_for_client = wants_client();
  if (waits_for_client) return abort_body(ClientBody::State::TooSlow);
  return refuse_or_cut(
      {ErrorCode::RequestTimedOut, fmt::format("{}: worker pid {} has sent nothing for {} s",
                                               subject(), connection_->worker.pid, waited)},
      HTTP_GATEWAY_TIME_OUT);
}

/// A failure of the conversation itself, in the words of whoever reads the log.
int Relay::explain(const Error& error) {
  if (error.code == ErrorCode::PeerClosed && client_left_ && !accepted_) {
    client_gone();  // the worker saw that in time and did not begin
    return status_;
  }
  if (error.code == ErrorCode::PeerClosed && connection_ != nullptr) {
    const std::string why = explain_loss(client_.board(), connection_->worker.pid);
    refuse_or_cut({ErrorCode::WorkerLost, subject() + ": " + why}, HTTP_BAD_GATEWAY);
    return status_;
  }
  Error told = error;
  told.what = subject() + ": " + error.what;
  refuse_or_cut(told, status_for(error, connection_ != nullptr));
  return status_;
}

}  // namespace wsgix::httpd

// SPDX-License-Identifier: Apache-2.0
// httpd/relay.hpp: one request in daemon mode, from the child's side. The contract of the two
// sides is docs/protocol.md.
#pragma once

#include <memory>
#include <optional>

#include "admission.hpp"
#include "body_upload.hpp"
#include "routing.hpp"
#include "worker_response.hpp"

namespace wsgix::httpd {

/// Exactly once: a request is executed by one worker or by none. What may be sent when, what a
/// worker's words prove and what an ending means is decided in the room relay/; here it is done.
class Relay {
 public:
  Relay(request_rec& r, const Route& route, ConnectionPool& pool, BodyFacts body);

  /// What the handler returns. Everything that went wrong is logged.
  int run();

 private:
  using Step = relay::Step;

  Result<Step> serve();
  Result<void> offer();
  Result<Step> converse();
  Result<Step> forward_body();
  Step body_failed(relay::BodyFailure why);
  Result<Step> send_queued();
  relay::Situation situation() const;
  Result<Step> wait_for_news();
  Result<Step> feed_client();
  Result<Step> look_at_limits();
  Result<Step> leave_queue(relay::Ending ending);
  bool is_late() const { return timers_.has_deadline() && timers_.request_is_late(Clock::now()); }

  Result<Step> take_frames();
  Result<Step> on_frame(const channel::Frame& frame);
  Result<void> welcome(std::string_view payload);
  void let_go_of_connection();
  int finish(relay::Ending ending, const Error& failure);
  void log_end(LogLevel level, relay::Ending ending, const Error& failure) const;

  request_rec& r_;
  const Route& route_;
  ConnectionPool& pool_;
  wire::RequestHead head_;
  const int client_socket_;  ///< -1: not one of our own to poll
  relay::Timers timers_;
  BodyUpload body_;
  WorkerResponse response_;
  Admission admission_;
  std::unique_ptr<Connection> connection_;
  std::optional<relay::Attempt> attempt_;  ///< on connection_
};

}  // namespace wsgix::httpd

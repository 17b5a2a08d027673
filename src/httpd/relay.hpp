// SPDX-License-Identifier: Apache-2.0
// httpd/relay.hpp: one request in daemon mode, from the child's side. The contract of the two
// sides is docs/protocol.md.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "client_body.hpp"
#include "connections.hpp"
#include "environ.hpp"
#include "response.hpp"
#include "routing.hpp"
#include "run_ahead.hpp"
#include "wsgix/os/spool.hpp"
#include "wsgix/scoreboard/waiting.hpp"

namespace wsgix::httpd {

struct BodyFacts {
  bool has_body = false;
  std::int64_t content_length = -1;
};

/// Exactly once: a request is executed by one worker or by none. Only Busy and Closing prove that
/// a worker did not start it, so only they lead to another attempt.
class Relay {
 public:
  Relay(request_rec& r, const Route& route, GroupClient& client, BodyFacts body);

  /// What the handler returns. Everything that went wrong is logged.
  int run();

 private:
  enum class Step : std::uint8_t { GoOn, Again, Done };

  // relay.cpp: attempts, and both directions at once
  std::int64_t buffering_limit() const noexcept;
  void let_body_wait(bool waits) noexcept;
  Result<Step> buffer_body();
  Result<Step> connect();
  Result<void> queue_request();
  bool was_never_read(const Error& error) const noexcept;
  Result<Step> converse();
  Result<Step> send_queued();
  Result<Step> wait_for_news();
  Deadline next_stream_look() noexcept;
  bool body_may_go_on() const noexcept;
  bool wants_client() const noexcept;
  short hangup_to_watch() const noexcept;
  Result<Step> feed_client();
  Result<Step> forward_body();
  Step abort_body(ClientBody::State state);

  // relay_limits.cpp: how long anything may take
  void start_clock();
  Clock::duration response_timeout() const noexcept;
  Deadline client_deadline() const noexcept;
  Deadline queue_deadline() const noexcept;
  Deadline current_deadline() const noexcept;
  Deadline next_look(bool from_client) noexcept;
  bool is_on_its_way() const noexcept;
  bool is_too_late() const noexcept;
  bool is_queueing() const noexcept {
    return connection_ != nullptr && fresh_ && !connection_->welcomed;
  }
  bool join_queue();
  bool lets_others_go_first();
  Step may_go_on_asking();
  Result<Step> look_at_limits();
  bool worker_has_died() const noexcept;
  Result<Step> leave_queue(Step (Relay::*answer)());

  // relay_frames.cpp: what the worker says
  Result<Step> take_frames();
  Result<Step> on_frame(const channel::Frame& frame);
  Result<Step> on_welcome(std::string_view payload);
  Result<Step> on_early_hints(std::string_view payload);
  Result<Step> on_response_head(std::string_view payload);
  Result<Step> on_response_body(std::string_view payload);
  Result<Step> on_response_file(std::string_view payload);
  Result<Step> on_response_cut(std::string_view payload);
  Result<Step> on_failure(std::string_view payload);
  Result<Step> on_log(std::string_view payload);
  Result<Step> on_busy();
  Result<Step> on_response_end();
  Result<Step> went_to_client(const Result<bool>& reached);
  bool connection_is_idle() const noexcept;
  bool response_is_under_way() const noexcept { return response_.has_left() || ahead_.is_behind(); }

  // relay_ends.cpp: what an ending means for the client and for the log
  Step finish(int status);
  Step finish_cut();
  Step client_gone();
  Step client_closed_its_side();
  Step worker_is_silent();
  Step request_is_late();
  Step refuse_busy_group();
  Step refuse_full_queue();
  Step refuse_paused_group();
  Step refuse_for_now(ErrorCode code, const std::string& why);
  std::string what_its_worker_does() const;
  Step refuse(int status);
  Step refuse_or_cut(const Error& error, int status);
  int explain(const Error& error);
  std::string subject() const;

  request_rec& r_;
  const Route& route_;
  GroupClient& client_;
  const BodyFacts facts_;
  wire::RequestHead head_;
  ClientBody body_;
  os::Spool stored_;  ///< the start of the body, or all: kept until a worker has started
  Response response_;
  std::unique_ptr<Connection> connection_;
  std::optional<scoreboard::WaitPlace> waiting_;  ///< shown on the board while it waits

  bool fresh_ = false;                  ///< this attempt is on a connection of its own
  bool accepted_ = false;               ///< a frame proves that a worker has started it
  bool head_has_left_ = false;          ///< the first write of this attempt has been tried
  bool bytes_have_left_ = false;        ///< a worker may have got some of this attempt
  bool body_may_flow_ = false;          ///< RequestBody may be sent now
  bool body_is_sent_ = false;           ///< RequestEnd or RequestAbort is queued or sent
  bool body_waits_for_worker_ = false;  ///< announced with kExpectsContinue
  bool body_has_ended_ = false;         ///< the client has sent all of it
  bool client_left_ = false;            ///< it has closed its sending direction, perhaps all
  std::uint64_t forwarded_ = 0;         ///< so much of stored_ is queued or sent in this attempt
  int client_socket_ = -1;              ///< -1: not one of our own to poll
  RunAhead ahead_;                      ///< before response_: what its client cannot take now
  Clock::time_point started_;
  Clock::time_point handed_over_;          ///< when this attempt was queued or taken, the later
  Deadline request_deadline_ = kNever;     ///< for the whole response
  Clock::time_point progress_;             ///< when bytes moved last, in either direction
  std::chrono::microseconds stream_look_;  ///< until a stream of HTTP/2 is asked for more
  int status_ = 0;                         ///< what the handler returns, when Done
};

}  // namespace wsgix::httpd

// SPDX-License-Identifier: Apache-2.0
// httpd/worker_response.hpp: a worker's response on its way to the client. Daemon mode.
#pragma once

#include <cstdint>
#include <string_view>

#include "response.hpp"
#include "run_ahead.hpp"
#include "wsgix/base/unique_fd.hpp"
#include "wsgix/relay/ending.hpp"
#include "wsgix/relay/timers.hpp"
#include "wsgix/relay/worker_heads.hpp"

namespace wsgix::httpd {

/// What a frame of the worker carries is checked here, and goes on or waits for a slow client.
class WorkerResponse {
 public:
  /// `client_socket`: -1 where there is none to poll. `most_ahead`: response-buffering=, bytes.
  WorkerResponse(request_rec& r, int client_socket, Clock::duration write_limit,
                 std::int64_t most_ahead);

  // ---- payloads. Failures: those of wire::decode_..., WorkerHeadRefused, UnexpectedFrame ----

  Result<void> early_hints(std::string_view payload);
  Result<void> head(std::string_view payload);
  /// There is no response, or no whole one, and the worker has named the status of the error page.
  Result<void> failure(std::string_view payload);
  // False when the client has gone. Also SpoolFailed, BadDescriptor, ResponseCut.
  Result<bool> body(std::string_view payload) { return ahead_.body(payload); }
  Result<bool> file(std::string_view payload, UniqueFd descriptor);

  // ---- the client; false when it has gone ----

  /// What is here leaves, as far as the client takes it.
  bool flush() { return ahead_.flush(); }
  Result<bool> feed() { return ahead_.feed(); }
  /// Everything leaves, waiting for the client.
  Result<bool> drain() { return ahead_.drain(); }
  bool client_is_full() const noexcept { return ahead_.is_full(); }
  bool client_is_behind() const noexcept { return ahead_.is_behind(); }
  Clock::time_point client_took() const noexcept { return ahead_.stalled_since(); }
  bool has_left() const noexcept { return response_.has_left(); }

  /// The one answer of this request: what the handler returns. `body_has_come`: the client has sent
  /// all of its body.
  int answer(relay::Ending ending, bool body_has_come);

 private:
  relay::ResponseState state() const noexcept;
  int leave_client();

  request_rec& r_;
  Response response_;
  RunAhead ahead_;  ///< before response_: what its client cannot take now
  relay::EarlyHintsReader hints_;
  int failure_status_;
};

}  // namespace wsgix::httpd

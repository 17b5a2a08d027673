// SPDX-License-Identifier: Apache-2.0
// relay/attempt.hpp: one try to have a request executed, on one connection to a worker.
//
// Pure: it knows what was sent and what came, neither sockets nor httpd. What decides whether a
// request may be sent again stands here and in wire::Dialogue, and nowhere else
// (docs/protocol.md, "Exactly once").
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "wsgix/base/result.hpp"
#include "wsgix/relay/ending.hpp"
#include "wsgix/wire/dialogue.hpp"
#include "wsgix/wire/messages.hpp"

namespace wsgix::relay {

/// The request's body on its way to the worker of this attempt.
enum class Upload : std::uint8_t {
  None,          ///< the request has no body
  AwaitsWorker,  ///< nothing of it leaves before WantBody
  Flowing,
  Sent,     ///< RequestEnd is queued or sent
  Aborted,  ///< RequestAbort is: the worker gets no more of it
};
enum class UploadEvent : std::uint8_t { WorkerWantsIt, EndQueued, AbortQueued };
/// nullopt: it cannot happen now. A worker that wants what does not wait for it changes nothing.
std::optional<Upload> next(Upload upload, UploadEvent event) noexcept;

/// What the first write of an attempt has come to. It brings the head, and the body if that flows.
enum class Written : std::uint8_t {
  Nothing,
  Tried,  ///< the socket took nothing
  Some,   ///< a worker may have got bytes
};

/// The client's sending direction. A client that closes it may still read.
enum class ClientSide : std::uint8_t { Open, Closed };

/// What the connection's end says about the bytes that were sent on it.
enum class Unread : std::uint8_t { No, Proven };

/// Exactly one of three: the attempt goes on, another is made, or the request ends.
struct Step {
  enum class Kind : std::uint8_t { GoOn, Again, End } kind;
  Ending ending;  ///< of End

  bool operator==(const Step&) const = default;
};
inline constexpr Step kGoOn{Step::Kind::GoOn, {}};
inline constexpr Step kAgain{Step::Kind::Again, {}};
constexpr Step end_with(Ending ending) { return {Step::Kind::End, ending}; }

class Attempt {
 public:
  /// `request`: its number on this connection.
  Attempt(std::uint64_t request, bool fresh_connection, Upload upload) noexcept
      : dialogue_(request, fresh_connection), upload_(upload) {}

  // ---- what is so ----

  wire::Exchange exchange() const noexcept { return dialogue_.exchange(); }
  /// Nobody has taken the connection yet.
  bool is_queueing() const noexcept { return exchange() == wire::Exchange::Queued; }
  /// A frame proves that a worker has started it.
  bool has_started() const noexcept { return wire::has_started(exchange()); }
  Upload upload() const noexcept { return upload_; }
  ClientSide client_side() const noexcept { return client_side_; }
  /// More of the body may be queued: with the head, or when the last batch has left. A queue that
  /// never runs empty would keep all it has sent.
  bool body_may_go_on(std::size_t queued_bytes) const noexcept {
    return upload_ == Upload::Flowing && (written_ == Written::Nothing || queued_bytes == 0);
  }
  /// Nothing of the request has to be sent any more.
  bool all_is_sent(std::size_t queued_bytes) const noexcept {
    const bool body_is_over =
        upload_ == Upload::None || upload_ == Upload::Sent || upload_ == Upload::Aborted;
    return body_is_over && queued_bytes == 0;
  }
  /// Whether the client has left is news: in the queue, and when the worker has all of the request.
  /// Only with all of it can we say so there.
  bool asks_for_client(std::size_t queued_bytes) const noexcept {
    return client_side_ == ClientSide::Open && (is_queueing() || all_is_sent(queued_bytes));
  }
  /// No byte of this request is on its way any more, in either direction: the next one may use the
  /// connection. A body that was never asked for never leaves.
  bool leaves_an_idle_connection(std::size_t queued_bytes) const noexcept {
    return upload_ != Upload::Flowing && queued_bytes == 0 && client_side_ == ClientSide::Open;
  }

  // ---- what happens ----

  /// A write was tried, and the socket took so many bytes.
  void wrote(std::size_t bytes) noexcept;
  /// Failures: those of wire::Dialogue::take(). The attempt is over then.
  Result<Step> take(std::uint64_t request, wire::FrameType frame);
  void body_is_queued() noexcept { apply(UploadEvent::EndQueued); }
  /// The client's body will never be whole. As in embedded mode, an application that runs has the
  /// last word: it may catch the error.
  Step body_failed(BodyFailure why) noexcept;
  /// Only half of the client's connection: a request that runs is answered, as any other handler
  /// of httpd would.
  Step client_closed_its_side() noexcept;
  /// The connection ended without a word about the request.
  Step connection_lost(Unread unread) const noexcept;

 private:
  void apply(UploadEvent event) noexcept;
  bool carries_only_the_head() const noexcept {
    return upload_ == Upload::None || upload_ == Upload::AwaitsWorker;
  }

  wire::Dialogue dialogue_;
  Upload upload_;
  Written written_ = Written::Nothing;
  ClientSide client_side_ = ClientSide::Open;
};

wire::AbortReason abort_reason(BodyFailure why) noexcept;

std::string_view to_string(Upload upload) noexcept;

}  // namespace wsgix::relay

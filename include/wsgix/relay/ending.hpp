// SPDX-License-Identifier: Apache-2.0
// relay/ending.hpp: the ways in which a request in daemon mode ends, and what each means for the
// client and for the error log.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "wsgix/base/error.hpp"
#include "wsgix/base/log_sink.hpp"

namespace wsgix::relay {

enum class Ending : std::uint8_t {
  Whole,            ///< the worker's response is complete
  Failed,           ///< the worker says that there is no response, and why
  CutByWorker,      ///< it says that its response will never be whole
  ClientGone,       ///< nobody is there to answer
  AnsweredByHttpd,  ///< a filter of httpd has sent an error response
  BodyTooSlow,      ///< the client's body failed before a worker had the request
  BodyTooLarge,
  BodyMalformed,
  GroupPaused,  ///< no worker has taken it, as of here
  QueueFull,
  GroupFull,
  GroupNotReady,
  DeadlinePassed,  ///< WSGIRequestDeadline, request-deadline=
  WorkerSilent,
  WorkerLost,
  HeadTooLarge,  ///< of the request
  NoDiskSpace,   ///< for what is buffered
  BufferFailed,
  NotConnected,        ///< the group's socket cannot be reached
  ConversationBroken,  ///< a frame, head or descriptor that must not be
};
inline constexpr std::size_t kEndings = static_cast<std::size_t>(Ending::ConversationBroken) + 1;

/// How much of the response has left, as far as its client can tell.
enum class ResponseState : std::uint8_t {
  Nothing,   ///< a page of ours may still take its place
  Waiting,   ///< bytes wait for a slow client: they go first
  UnderWay,  ///< the client has seen some of it
};

/// Exactly one for each end.
enum class Answer : std::uint8_t {
  Response,   ///< the worker's, to its end
  ErrorPage,  ///< of httpd; the rest of the client's body is read and dropped
  Refusal,  ///< the same, but a body that has not all come ends its connection: nobody waits for it
  CutAfterRest,  ///< what waits goes out, then the client sees an aborted response
  CutAtOnce,     ///< what waits is dropped
  Nothing,       ///< there is nobody
  HttpdsOwn,     ///< it has left already
};

/// One row for each ending.
struct Outcome {
  /// Of the error page; 0: the worker names it, or there is none.
  std::uint16_t status;
  /// Of our own line; nullopt: there is none, or the worker's own.
  std::optional<LogLevel> level;
  /// Of that line; nullopt: that of the failure which led here.
  std::optional<ErrorCode> code;
  /// Provably not executed: the client is told to try again.
  bool may_be_repeated;
};
Outcome outcome_of(Ending ending) noexcept;
Answer answer_to(Ending ending, ResponseState response) noexcept;

enum class BodyFailure : std::uint8_t {
  ClientGone,
  TooSlow,
  TooLarge,
  Malformed,
  Answered,  ///< httpd has sent an error response itself
};
/// While no worker has the request.
Ending ending_for(BodyFailure why) noexcept;

/// What a failure of the relay itself leads to. `connected`: a worker may be at the other end.
Ending ending_for(const Error& error, bool connected) noexcept;

std::string_view to_string(Ending ending) noexcept;

}  // namespace wsgix::relay

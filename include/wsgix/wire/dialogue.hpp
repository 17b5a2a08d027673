// SPDX-License-Identifier: Apache-2.0
// wire/dialogue.hpp: which frame may come when, at both ends of a connection, and what each proves.
//
// Pure: a state, a frame, the next state. It knows neither sockets nor clients. docs/protocol.md
// says the same in prose.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>

#include "wsgix/base/result.hpp"
#include "wsgix/wire/frame.hpp"

namespace wsgix::wire {

/// One exchange (a request and its response) on one connection, as the httpd child sees it.
enum class Exchange : std::uint8_t {
  Queued,      ///< a fresh connection in the group's backlog; the request lies behind Hello
  Offered,     ///< a worker has it, and has not said that it started
  Executing,   ///< the application runs: from here on nothing may send the request again
  Responding,  ///< the head has come
  Refused,     ///< provably not executed: another worker may be asked
  Complete,    ///< whole, or failed with a reason
  Cut,         ///< will never be whole
};
inline constexpr std::array kExchanges = {
    Exchange::Queued,  Exchange::Offered,  Exchange::Executing, Exchange::Responding,
    Exchange::Refused, Exchange::Complete, Exchange::Cut};

/// Where the frame leads, or nullopt when it may not come now: the connection ends, and nothing
/// of the frame reaches a client. Frames of a child never may.
std::optional<Exchange> next(Exchange exchange, FrameType frame) noexcept;

/// The one place that allows a request to be sent again (docs/protocol.md, "Exactly once").
constexpr bool may_ask_another_worker(Exchange exchange) noexcept {
  return exchange == Exchange::Refused;
}
constexpr bool has_started(Exchange exchange) noexcept {
  return exchange == Exchange::Executing || exchange == Exchange::Responding ||
         exchange == Exchange::Complete || exchange == Exchange::Cut;
}

std::string_view to_string(Exchange exchange) noexcept;

/// What the child owes a worker next on one connection.
enum class Due : std::uint8_t {
  Hello,
  Request,  ///< nothing of a request is due: none is open, or it has no body, or nobody asked
  Body,     ///< of the open request, or of one that has been answered already
};
inline constexpr std::array kDues = {Due::Hello, Due::Request, Due::Body};

/// Where a frame of a child leads; nullopt when it may not come now: the connection ends, and
/// nothing is executed. Frames of a worker never may.
std::optional<Due> next(Due due, FrameType frame) noexcept;

std::string_view to_string(Due due) noexcept;

/// What the worker holds for one connection.
class Intake {
 public:
  /// Failures as for Dialogue::take(). A RequestHead opens a request with a new, larger number;
  /// every other frame belongs to the one opened last.
  Result<void> take(std::uint64_t request, FrameType frame);
  /// The body of the open request is on its way: with its head, or because of WantBody.
  void expect_body() noexcept { due_ = Due::Body; }
  Due due() const noexcept { return due_; }
  /// Opened last; 0: none was.
  std::uint64_t request() const noexcept { return request_; }

 private:
  std::uint64_t request_ = 0;
  Due due_ = Due::Hello;
};

/// What the child holds for one request on one connection.
class Dialogue {
 public:
  /// `request`: the number that every frame of the answer must carry.
  Dialogue(std::uint64_t request, bool fresh_connection) noexcept
      : request_(request), exchange_(fresh_connection ? Exchange::Queued : Exchange::Offered) {}

  /// Failures: ForeignFrame (of another request), UnexpectedFrame (may not come now). Nothing has
  /// changed then, and the connection must not be used any more.
  Result<void> take(std::uint64_t request, FrameType frame);
  Exchange exchange() const noexcept { return exchange_; }

 private:
  std::uint64_t request_;
  Exchange exchange_;
};

}  // namespace wsgix::wire

// SPDX-License-Identifier: Apache-2.0
#include "wsgix/wire/dialogue.hpp"

#include <fmt/format.h>

namespace wsgix::wire {
namespace {

// Zero means refused, so a cell that someone forgets to fill is refused, not obeyed.
enum class Cell : std::uint8_t { No = 0, Que, Off, Exe, Rsp, Ref, Com, Cut };
using enum Cell;

constexpr auto kFirst = static_cast<std::uint8_t>(FrameType::Welcome);
constexpr auto kLast = static_cast<std::uint8_t>(FrameType::EarlyHints);

// In the order of FrameType. A line for the log proves nothing: loading may write one and then find
// out that the script has changed.
// clang-format off
constexpr Cell kNext[kExchanges.size()][kLast - kFirst + 1] = {
    //               Welcome WantBody Head Body File End  Cut  Failure Log  Busy Closing Hints
    /* Queued     */ { Off,  No,      No,  No,  No,  No,  No,  No,     No,  No,  Ref,    No  },
    /* Offered    */ { No,   Exe,     Rsp, No,  No,  No,  No,  Com,    Off, Ref, Ref,    Exe },
    /* Executing  */ { No,   Exe,     Rsp, No,  No,  No,  No,  Com,    Exe, No,  No,     Exe },
    /* Responding */ { No,   Rsp,     No,  Rsp, Rsp, Com, Cut, No,     Rsp, No,  No,     No  },
    /* Refused    */ { No,   No,      No,  No,  No,  No,  No,  No,     No,  No,  Ref,    No  },
    /* Complete   */ { No,   No,      No,  No,  No,  No,  No,  No,     No,  No,  Com,    No  },
    /* Cut        */ { No,   No,      No,  No,  No,  No,  No,  No,     No,  No,  Cut,    No  },
};
// clang-format on
static_assert(kExchanges.size() == static_cast<std::size_t>(Exchange::Cut) + 1);

// The same for a worker. An abort may cross the answer to a request whose body was never asked for.
constexpr auto kFirstOfChild = static_cast<std::uint8_t>(FrameType::Hello);
constexpr auto kLastOfChild = static_cast<std::uint8_t>(FrameType::RequestAbort);
constexpr std::optional<Due> kNone;
constexpr std::optional<Due> kRequest = Due::Request;
constexpr std::optional<Due> kBody = Due::Body;
// clang-format off
constexpr std::optional<Due> kNextDue[kDues.size()][kLastOfChild - kFirstOfChild + 1] = {
    //            Hello     RequestHead Body   End       Abort
    /* Hello   */ {kRequest, kNone,     kNone, kNone,    kNone},
    /* Request */ {kNone,    kRequest,  kNone, kNone,    kRequest},
    /* Body    */ {kNone,    kNone,     kBody, kRequest, kRequest},
};
// clang-format on

Failed unexpected(FrameType frame, std::string_view state) {
  return failed(ErrorCode::UnexpectedFrame, fmt::format("{} {}", to_string(frame), state));
}

}  // namespace

std::optional<Due> next(Due due, FrameType frame) noexcept {
  const auto number = static_cast<std::uint8_t>(frame);
  if (number < kFirstOfChild || number > kLastOfChild) return std::nullopt;
  return kNextDue[static_cast<std::size_t>(due)][number - kFirstOfChild];
}

std::string_view to_string(Due due) noexcept {
  switch (due) {
    case Due::Hello: return "while Hello was due";
    case Due::Request: return "while no request was open";
    case Due::Body: return "while the rest of a request body was due";
  }
  return "corrupt";
}

Result<void> Intake::take(std::uint64_t request, FrameType frame) {
  const auto after = next(due_, frame);
  if (!after) return unexpected(frame, to_string(due_));
  const bool opens = frame == FrameType::RequestHead;
  if (opens && request <= request_) return unexpected(frame, "while a new number was due");
  if (!opens && belongs_to_request(frame) && request != request_) {
    return failed(ErrorCode::ForeignFrame,
                  fmt::format("{} of request {} of this connection while request {} was under way",
                              to_string(frame), request, request_));
  }
  if (opens) request_ = request;
  due_ = *after;
  return {};
}

std::optional<Exchange> next(Exchange exchange, FrameType frame) noexcept {
  const auto number = static_cast<std::uint8_t>(frame);
  if (number < kFirst || number > kLast) return std::nullopt;
  const Cell cell = kNext[static_cast<std::size_t>(exchange)][number - kFirst];
  if (cell == No) return std::nullopt;
  return static_cast<Exchange>(static_cast<std::uint8_t>(cell) - 1);
}

std::string_view to_string(Exchange exchange) noexcept {
  switch (exchange) {
    case Exchange::Queued: return "queued";
    case Exchange::Offered: return "offered";
    case Exchange::Executing: return "executing";
    case Exchange::Responding: return "responding";
    case Exchange::Refused: return "refused";
    case Exchange::Complete: return "complete";
    case Exchange::Cut: return "cut";
  }
  return "corrupt";
}

Result<void> Dialogue::take(std::uint64_t request, FrameType frame) {
  if (belongs_to_request(frame) && request != request_) {
    return failed(ErrorCode::ForeignFrame,
                  fmt::format("the worker sent {} of request {} of this connection while request "
                              "{} was under way",
                              to_string(frame), request, request_));
  }
  const auto after = next(exchange_, frame);
  if (!after) {
    return failed(ErrorCode::UnexpectedFrame,
                  fmt::format("the worker sent {} for a request in state {}", to_string(frame),
                              to_string(exchange_)));
  }
  exchange_ = *after;
  return {};
}

}  // namespace wsgix::wire

// SPDX-License-Identifier: Apache-2.0
#include "wsgix/relay/attempt.hpp"

#include <iterator>

namespace wsgix::relay {
namespace {

using enum Upload;
constexpr std::optional<Upload> kNo;

// clang-format off
constexpr std::optional<Upload> kNext[][3] = {
    //                 WorkerWantsIt  EndQueued  AbortQueued
    /* None         */ {None,         kNo,       Aborted},
    /* AwaitsWorker */ {Flowing,      kNo,       Aborted},
    /* Flowing      */ {Flowing,      Sent,      Aborted},
    /* Sent         */ {Sent,         kNo,       Aborted},
    /* Aborted      */ {Aborted,      kNo,       Aborted},
};
// clang-format on
static_assert(std::size(kNext) == static_cast<std::size_t>(Aborted) + 1);

}  // namespace

std::optional<Upload> next(Upload upload, UploadEvent event) noexcept {
  return kNext[static_cast<std::size_t>(upload)][static_cast<std::size_t>(event)];
}

void Attempt::apply(UploadEvent event) noexcept {
  if (const auto after = next(upload_, event)) upload_ = *after;
}

void Attempt::wrote(std::size_t bytes) noexcept {
  if (bytes != 0) {
    written_ = Written::Some;
  } else if (written_ == Written::Nothing) {
    written_ = Written::Tried;
  }
}

Result<Step> Attempt::take(std::uint64_t request, wire::FrameType frame) {
  if (const Result<void> fits = dialogue_.take(request, frame); !fits) return failed(fits);
  if (frame == wire::FrameType::WantBody) apply(UploadEvent::WorkerWantsIt);
  if (wire::may_ask_another_worker(exchange())) return kAgain;
  switch (frame) {
    case wire::FrameType::ResponseEnd: return end_with(Ending::Whole);
    case wire::FrameType::ResponseCut: return end_with(Ending::CutByWorker);
    case wire::FrameType::Failure: return end_with(Ending::Failed);
    default: return kGoOn;
  }
}

Step Attempt::body_failed(BodyFailure why) noexcept {
  apply(UploadEvent::AbortQueued);
  const bool nobody_is_left = why == BodyFailure::ClientGone || why == BodyFailure::Answered;
  return nobody_is_left || is_queueing() ? end_with(ending_for(why)) : kGoOn;
}

Step Attempt::client_closed_its_side() noexcept {
  if (is_queueing()) return end_with(Ending::ClientGone);
  client_side_ = ClientSide::Closed;
  return kGoOn;
}

/// A part of a head is never executed. With a body behind it, the bytes that were not read could be
/// the body's.
Step Attempt::connection_lost(Unread unread) const noexcept {
  if (has_started()) return end_with(Ending::WorkerLost);
  const bool head_is_unread = unread == Unread::Proven && carries_only_the_head();
  if (written_ != Written::Some || head_is_unread) return kAgain;
  // The worker saw in time that nobody waits, and did not begin.
  return end_with(client_side_ == ClientSide::Closed ? Ending::ClientGone : Ending::WorkerLost);
}

wire::AbortReason abort_reason(BodyFailure why) noexcept {
  switch (why) {
    case BodyFailure::ClientGone: return wire::AbortReason::ClientGone;
    case BodyFailure::TooSlow: return wire::AbortReason::ClientTooSlow;
    case BodyFailure::TooLarge: return wire::AbortReason::BodyTooLarge;
    case BodyFailure::Malformed:
    case BodyFailure::Answered: return wire::AbortReason::BodyMalformed;
  }
  return wire::AbortReason::BodyMalformed;
}

std::string_view to_string(Upload upload) noexcept {
  switch (upload) {
    case None: return "none";
    case AwaitsWorker: return "awaits worker";
    case Flowing: return "flowing";
    case Sent: return "sent";
    case Aborted: return "aborted";
  }
  return "corrupt";
}

}  // namespace wsgix::relay

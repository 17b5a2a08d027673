// SPDX-License-Identifier: Apache-2.0
#include "body_upload.hpp"

#include "unbuffered.hpp"

namespace wsgix::httpd {
namespace {

/// A buffered body has so much of it in memory.
constexpr std::int64_t kReplayBytes = 65536;
/// So much of a body is gathered for one write to the worker.
constexpr std::size_t kBatchBytes = 262144;

}  // namespace

BodyUpload::BodyUpload(request_rec& r, BodyFacts facts, std::int64_t most_buffered)
    : r_(r),
      facts_(facts),
      most_buffered_(most_buffered),
      body_(r, facts.received),
      stored_(kReplayBytes, static_cast<std::uint64_t>(most_buffered) + kReplayBytes) {
  start_with(r.expecting_100 != 0 || facts.content_length < 0 ||
             facts.content_length > kReplayBytes);
}

void BodyUpload::start_with(bool awaits_worker) noexcept {
  using enum relay::Upload;
  start_ = !facts_.has_body ? None : awaits_worker ? AwaitsWorker : Flowing;
}

BodyUpload::State BodyUpload::buffer() {
  if (!facts_.has_body || facts_.received != nullptr) return State::Data;
  if (most_buffered_ == 0 || facts_.content_length > most_buffered_) return State::Data;
  while (stored_.size() <= static_cast<std::uint64_t>(most_buffered_)) {
    const ClientBody::Piece piece = body_.read(true);
    if (piece.state == State::End) break;
    if (piece.state != State::Data) return piece.state;
    const std::string_view data = piece.data.substr(0, kReplayBytes);
    if (const Result<void> retained = stored_.append(data); !retained) {
      // What is stored goes first; the rest, this piece included, follows as without buffering.
      warn_unbuffered(r_, retained.error());
      break;
    }
    body_.consume(data.size());
  }
  start_with(!body_.has_ended() || stored_.size() > kReplayBytes);
  return State::Data;
}

bool BodyUpload::waits_for_client() const noexcept {
  return forwarded_ == stored_.end() && facts_.received == nullptr && !body_.has_ended();
}

Result<BodyUpload::Forwarded> BodyUpload::forward(channel::Channel& channel, bool keeps) {
  Forwarded so_far{State::Data};
  while (channel.queued_bytes() < kBatchBytes) {
    if (forwarded_ != stored_.end()) {
      const Result<std::string_view> data = stored_.read(forwarded_, kBatchBytes);
      if (!data) return failed(data);
      channel.queue(wire::FrameType::RequestBody, *data);
      forwarded_ += data->size();
      continue;
    }
    const ClientBody::Piece piece = body_.read(false);
    so_far.state = piece.state;
    if (piece.state == State::End) channel.queue(wire::FrameType::RequestEnd);
    if (piece.state != State::Data) return so_far;
    const std::string_view data = piece.data.substr(0, wire::kMaxPayloadBytes);
    channel.queue(wire::FrameType::RequestBody, data);
    if (keeps && stored_.append(data)) {
      forwarded_ += data.size();
    } else if (keeps) {
      unrepeatable_bytes_ += data.size();
    }
    body_.consume(data.size());
    so_far.client_sent = true;
  }
  return so_far;
}

std::optional<relay::BodyFailure> failure_of(ClientBody::State state) noexcept {
  switch (state) {
    case ClientBody::State::ClientGone: return relay::BodyFailure::ClientGone;
    case ClientBody::State::TooSlow: return relay::BodyFailure::TooSlow;
    case ClientBody::State::TooLarge: return relay::BodyFailure::TooLarge;
    case ClientBody::State::Malformed: return relay::BodyFailure::Malformed;
    case ClientBody::State::Answered: return relay::BodyFailure::Answered;
    case ClientBody::State::Data:
    case ClientBody::State::WouldWait:
    case ClientBody::State::End: break;
  }
  return std::nullopt;
}

}  // namespace wsgix::httpd

// SPDX-License-Identifier: Apache-2.0
#include "run_ahead.hpp"

#include "unbuffered.hpp"
#include "wsgix/os/sockets.hpp"
#include "wsgix/wire/frame.hpp"

namespace wsgix::httpd {
namespace {

constexpr std::size_t kMemoryBytes = 262144;
constexpr std::size_t kPieceBytes = 262144;
/// Small blocks are gathered up to here; even a small socket buffer takes so much when writable.
constexpr std::size_t kGatherBytes = 16384;

}  // namespace

RunAhead::RunAhead(request_rec& r, Response& response, int client_socket, std::int64_t limit)
    : r_(r),
      response_(response),
      socket_(client_socket),
      limit_(static_cast<std::uint64_t>(limit)),
      spool_(kMemoryBytes, limit_ + wire::kMaxPayloadBytes),
      stalled_since_(Clock::now()) {}

std::size_t RunAhead::room() noexcept {
  const std::size_t room = os::socket_room(socket_, kPieceBytes);
  waits_ = room == 0;
  return room;
}

/// A flush goes along: httpd waits only for what its own socket does not take, and room() said
/// that it does.
bool RunAhead::pass(std::string_view data) {
  stalled_since_ = Clock::now();
  if (!response_.body(data)) return false;
  return !response_.has_queued_body() || response_.flush();
}

Result<bool> RunAhead::body(std::string_view data) {
  if (!is_on()) return response_.body(data);
  if (!is_behind() && response_.queued_bytes() + data.size() < kGatherBytes) {
    return response_.body(data);
  }
  if (is_behind()) {
    const Result<bool> fed = feed();
    if (!fed || !*fed) return fed;
  }
  while (!data.empty() && !is_behind()) {
    const std::string_view piece = data.substr(0, room());
    if (piece.empty()) break;
    if (!pass(piece)) return false;
    data.remove_prefix(piece.size());
  }
  return data.empty() ? Result<bool>(true) : keep(data);
}

/// Without a place for it the response waits for its client, as it would without this class.
Result<bool> RunAhead::keep(std::string_view data) {
  if (spool_.empty()) stalled_since_ = Clock::now();
  const Result<void> retained = spool_.append(data);
  if (retained) return true;
  warn_unbuffered(r_, retained.error());
  const Result<bool> drained = drain();
  if (!drained || !*drained) return drained;
  socket_ = -1;
  return response_.body(data);
}

bool RunAhead::flush() {
  if (is_behind() || !response_.has_queued_body()) return true;
  if (is_on() && room() == 0) {
    stalled_since_ = Clock::now();
    return true;
  }
  return response_.flush();
}

Result<bool> RunAhead::feed() {
  while (is_behind()) {
    const std::size_t most = room();
    if (most == 0) return true;
    if (spool_.empty()) return pass({});
    const Result<std::string_view> piece = spool_.read(spool_.begin(), most);
    if (!piece) return failed(piece);
    const std::size_t bytes = piece->size();
    if (!pass(*piece)) return false;
    spool_.drop_before(spool_.begin() + bytes);
  }
  return true;
}

Result<bool> RunAhead::drain() {
  waits_ = false;
  while (!spool_.empty()) {
    const Result<std::string_view> piece = spool_.read(spool_.begin(), kPieceBytes);
    if (!piece) return failed(piece);
    const std::size_t bytes = piece->size();
    if (!response_.body(*piece)) return false;
    spool_.drop_before(spool_.begin() + bytes);
  }
  return true;
}

}  // namespace wsgix::httpd

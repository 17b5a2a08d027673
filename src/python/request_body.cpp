// SPDX-License-Identifier: Apache-2.0
#include "request_body.hpp"

#include <algorithm>

#include "forked_copy.hpp"
#include "gil.hpp"
#include "text.hpp"

namespace wsgix::python {
namespace {

// A body that claims gigabytes gets memory as its bytes arrive, not in advance.
constexpr std::size_t kFirstPieceBytes = 16 * 1024;
constexpr std::size_t kLargestPieceBytes = 256 * 1024;

std::size_t piece_for(std::size_t wanted, std::size_t already) {
  return std::min(wanted, std::clamp(already, kFirstPieceBytes, kLargestPieceBytes));
}

std::string_view reason_for(int failure) {
  switch (failure) {
    case WSGIX_IO_CLIENT_GONE: return "the client closed the connection";
    case WSGIX_IO_TIMED_OUT: return "the client sent the request body too slowly";
    case WSGIX_IO_TOO_LARGE: return "the request body is larger than LimitRequestBody allows";
    case WSGIX_IO_MALFORMED: return "the chunked encoding of the request body is wrong";
    default: return "the transport of the request body failed";
  }
}

}  // namespace

std::string RequestBody::read(std::size_t size) {
  std::string bytes;
  take_pending(bytes, size);
  // Small bodies are usually there already: that costs no release of the GIL.
  if (bytes.size() < size && size <= kFirstPieceBytes && !is_over()) {
    receive(bytes, size - bytes.size());
  }
  if (bytes.size() < size && !is_over()) {
    end_if_copied();
    if (is_over()) return bytes;
    const GilRelease no_gil;
    receive_all(bytes, size);
  }
  return bytes;
}

std::string RequestBody::read_some(std::size_t size) {
  std::string bytes;
  if (take_pending(bytes, size) == 0 && size > 0)
    receive(bytes, std::min(size, kLargestPieceBytes));
  return bytes;
}

std::string RequestBody::read_line(std::size_t size) {
  std::size_t searched = 0;  // of what is pending
  while (true) {
    const std::string_view rest = std::string_view(pending_).substr(pending_at_);
    const std::size_t newline = rest.find('\n', searched);
    if (newline != std::string_view::npos || rest.size() >= size) {
      std::string line;
      take_pending(line, std::min(size, newline == std::string_view::npos ? size : newline + 1));
      return line;
    }
    searched = rest.size();
    if (!receive(pending_, kFirstPieceBytes)) {
      std::string last;
      take_pending(last, size);
      return last;
    }
  }
}

std::string RequestBody::take_failure_text() {
  std::string text = "mod_wsgi request data read error: ";
  text += failure_was_raised_ ? "the input is already in error state" : reason_for(failure_);
  failure_was_raised_ = true;
  return text;
}

int RequestBody::status_of_failure() const noexcept {
  switch (failure_) {
    case WSGIX_IO_TIMED_OUT: return 408;
    case WSGIX_IO_TOO_LARGE: return 413;
    case WSGIX_IO_MALFORMED:
    case WSGIX_IO_CLIENT_GONE: return 400;
    default: return 0;
  }
}

std::size_t RequestBody::take_pending(std::string& into, std::size_t size) {
  const std::size_t taken = std::min(size, pending_.size() - pending_at_);
  into.append(pending_, pending_at_, taken);
  pending_at_ += taken;
  if (pending_at_ == pending_.size()) {
    pending_.clear();
    pending_at_ = 0;
  } else if (pending_at_ > kLargestPieceBytes) {
    pending_.erase(0, pending_at_);
    pending_at_ = 0;
  }
  return taken;
}

/// What comes next belongs to the process that got the request. A body that does not exist is
/// nobody's.
void RequestBody::end_if_copied() {
  if (!this_process_is_a_copy()) return;
  if (!request_.has_body) {
    at_end_ = true;
    return;
  }
  end_if_copy(ErrorCode::CopyReadBody, "script " + std::string(view_of(request_.script.path)),
              LogTarget(request_));
}

bool RequestBody::receive(std::string& into, std::size_t size) {
  if (is_over()) return false;
  end_if_copied();
  if (is_over()) return false;
  const std::size_t before = into.size();
  const std::size_t piece = piece_for(size, before);
  into.resize(before + piece);
  std::ptrdiff_t result =
      request_.calls->read_body(request_.stream, into.data() + before, piece, 0);
  if (result == WSGIX_IO_WOULD_BLOCK) {
    const GilRelease no_gil;
    result = request_.calls->read_body(request_.stream, into.data() + before, piece, 1);
  }
  into.resize(before + static_cast<std::size_t>(std::max<std::ptrdiff_t>(result, 0)));
  return take_result(result);
}

void RequestBody::receive_all(std::string& into, std::size_t size) {
  while (into.size() < size) {
    const std::size_t before = into.size();
    const std::size_t piece = piece_for(size - before, before);
    into.resize(before + piece);
    const std::ptrdiff_t result =
        request_.calls->read_body(request_.stream, into.data() + before, piece, 1);
    into.resize(before + static_cast<std::size_t>(std::max<std::ptrdiff_t>(result, 0)));
    if (!take_result(result)) return;
  }
}

bool RequestBody::take_result(std::ptrdiff_t result) {
  if (result > 0) return true;
  if (result == 0)
    at_end_ = true;
  else
    failure_ = static_cast<int>(result);
  return false;
}

}  // namespace wsgix::python

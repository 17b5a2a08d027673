// SPDX-License-Identifier: Apache-2.0
#include "response.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "forked_copy.hpp"
#include "gil.hpp"
#include "text.hpp"
#include "wsgix/wsgi/environ.hpp"
#include "wsgix/wsgi/response_rules.hpp"

namespace wsgix::python {
namespace {

constexpr std::string_view kContentLength = "Content-Length";

// What a header costs on the wire beside its text. Only the order of magnitude matters.
constexpr std::size_t kBytesPerField = 16;

}  // namespace

void ResponseHead::set_status(int status, std::string_view reason) {
  status_ = status;
  reason_ = store(reason);
}

void ResponseHead::add_header(std::string_view name, std::string_view value) {
  const Piece stored_name = store(name);
  headers_.push_back({stored_name, store(value)});
}

ResponseHead::Piece ResponseHead::store(std::string_view bytes) {
  const Piece at{bytes_.size(), bytes.size()};
  bytes_ += bytes;
  return at;
}

/// In a copy that the application forked: whatever it sends would be taken for another answer.
void Response::end_if_copied() const {
  if (!this_process_is_a_copy()) return;
  end_if_copy(ErrorCode::CopyAnswered, fmt::format("script {}", view_of(request_.script.path)),
              log_);
}

Sent Response::send_head() {
  end_if_copied();
  if (head_was_sent_) return lost_ ? Sent::Lost : Sent::Done;
  if (!head_) {
    PyErr_SetString(PyExc_RuntimeError,
                    "start_response() must be called before response content is produced");
    return Sent::Raised;
  }
  if (!read_declared_length()) return Sent::Raised;

  const std::vector<wsgix_field> headers = headers_to_send();
  std::size_t bytes = head_->reason().size() + kBytesPerField;
  for (const auto& [name, value] : headers) bytes += name.size + value.size + kBytesPerField;
  const wsgix_response_head head = {head_->status(), text_of(head_->reason()), headers.data(),
                                    headers.size()};
  // Before the call: a head that got lost half way cannot be sent again.
  head_was_sent_ = true;
  return call(bytes, [&] { return request_.calls->send_head(request_.stream, &head); });
}

/// Says once that the rest is left out.
bool Response::may_hint(const std::vector<wsgix_field>& headers) {
  constexpr std::size_t kBytesPerFrame = 4;  // as a frame of the daemon's child counts them
  std::size_t bytes = kBytesPerFrame;
  for (const auto& [name, value] : headers) bytes += name.size + value.size + kBytesPerField;
  hint_bytes_ += bytes;
  if (++hints_ <= wsgi::kMostEarlyHints && hint_bytes_ <= wsgi::kMostEarlyHintBytes) return true;
  if (!std::exchange(left_hints_out_, true)) {
    log_.warning({ErrorCode::TooManyHints,
                  fmt::format("wsgix.early_hints was called for more than {} responses or {} bytes "
                              "in one request: the rest is left out",
                              wsgi::kMostEarlyHints, wsgi::kMostEarlyHintBytes)});
  }
  return false;
}

void Response::send_hints(const ResponseHead& hints) {
  end_if_copied();
  std::vector<wsgix_field> headers;
  for (std::size_t i = 0; i < hints.header_count(); ++i) {
    const std::string_view name = hints.name(i);
    if (wsgi::is_hop_by_hop(name) || wsgi::equals_ignoring_case(name, kContentLength)) continue;
    headers.push_back({text_of(name), text_of(hints.value(i))});
  }
  if (headers.empty() || !may_hint(headers)) return;
  const GilRelease no_gil;
  request_.calls->early_hints(request_.stream, headers.data(), headers.size());
}

Sent Response::send_body(std::string_view bytes) {
  if (const Sent head = send_head(); head != Sent::Done) return head;
  if (declared_) {
    const std::uint64_t room = *declared_ - sent_;
    if (bytes.size() > room) {
      had_excess_ = true;
      bytes = bytes.substr(0, static_cast<std::size_t>(room));
    }
  }
  if (bytes.empty()) return Sent::Done;
  sent_ += bytes.size();
  return call(bytes.size(), [&] {
    return request_.calls->send_body(request_.stream, bytes.data(), bytes.size());
  });
}

Sent Response::flush() {
  end_if_copied();
  if (lost_) return Sent::Lost;
  if (declared_ && sent_ == *declared_) return Sent::Done;
  const GilRelease no_gil;
  queued_ = 0;
  lost_ = std::min(0, request_.calls->flush(request_.stream));
  return lost_ ? Sent::Lost : Sent::Done;
}

Sent Response::send_file(int descriptor, std::uint64_t offset, std::uint64_t available) {
  if (!read_declared_length()) return Sent::Raised;
  const bool bodiless = wsgi::has_no_body(head_->status(), {});
  if (!declared_ && !bodiless) head_->add_header(kContentLength, fmt::format("{}", available));
  if (const Sent head = send_head(); head != Sent::Done) return head;

  const std::uint64_t length = declared_ ? std::min(*declared_, available) : available;
  if (length == 0) return Sent::Done;
  sent_ += length;
  const GilRelease no_gil;
  lost_ = std::min(0, request_.calls->send_file(request_.stream, descriptor, offset, length));
  return lost_ ? Sent::Lost : Sent::Done;
}

bool Response::is_short() const noexcept {
  return declared_ && sent_ < *declared_ && !wsgi::has_no_body(head_->status(), method_);
}

bool Response::read_declared_length() {
  declared_.reset();
  for (std::size_t i = 0; i < head_->header_count(); ++i) {
    if (!wsgi::equals_ignoring_case(head_->name(i), kContentLength)) continue;
    const auto length = wsgi::parse_content_length(head_->value(i));
    if (!length || declared_.value_or(*length) != *length) {
      const char* problem = length ? "Content-Length headers contradict each other"
                                   : "Content-Length is not a non-negative integer";
      PyErr_Format(PyExc_ValueError, "%s: %s", problem, wsgi::bytes_repr(head_->value(i)).c_str());
      declared_.reset();
      return false;
    }
    declared_ = length;
  }
  return true;
}

std::vector<wsgix_field> Response::headers_to_send() const {
  std::vector<wsgix_field> headers;
  headers.reserve(head_->header_count());
  bool has_length = false;
  for (std::size_t i = 0; i < head_->header_count(); ++i) {
    const std::string_view name = head_->name(i);
    if (wsgi::is_hop_by_hop(name)) {
      log_.warning({ErrorCode::HeaderDropped,
                    fmt::format("response header '{}: {}' of {} is not passed on", name,
                                head_->value(i), view_of(request_.script.path))});
      continue;
    }
    // Two equal lengths say nothing new, and some clients refuse them.
    if (wsgi::equals_ignoring_case(name, kContentLength) && std::exchange(has_length, true))
      continue;
    headers.push_back({text_of(name), text_of(head_->value(i))});
  }
  return headers;
}

template <typename Call>
Sent Response::call(std::size_t bytes, Call transmit) {
  if (lost_) return Sent::Lost;
  if (queued_ + bytes < WSGIX_QUEUE_BYTES) {
    queued_ += bytes;
    lost_ = std::min(0, transmit());
  } else {
    const GilRelease no_gil;
    // What is queued goes first, so that the pieces after this one may be queued again.
    if (queued_ > 0) lost_ = std::min(0, request_.calls->flush(request_.stream));
    if (lost_ == 0) lost_ = std::min(0, transmit());
    queued_ = bytes;
  }
  return lost_ ? Sent::Lost : Sent::Done;
}

}  // namespace wsgix::python

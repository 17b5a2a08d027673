// SPDX-License-Identifier: Apache-2.0
// python/response.hpp: the state of one response, from start_response() to its last byte.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "log_target.hpp"
#include "turn.hpp"
#include "wsgix/runtime/abi.h"

namespace wsgix::python {

/// Status and headers that passed the rules, as bytes in one block.
class ResponseHead {
 public:
  void set_status(int status, std::string_view reason);
  void add_header(std::string_view name, std::string_view value);

  int status() const noexcept { return status_; }
  std::string_view reason() const noexcept { return piece(reason_); }
  std::size_t header_count() const noexcept { return headers_.size(); }
  std::string_view name(std::size_t at) const noexcept { return piece(headers_[at].name); }
  std::string_view value(std::size_t at) const noexcept { return piece(headers_[at].value); }

 private:
  struct Piece {
    std::size_t offset = 0;
    std::size_t size = 0;
  };
  struct Header {
    Piece name;
    Piece value;
  };
  Piece store(std::string_view bytes);
  std::string_view piece(Piece at) const noexcept { return {bytes_.data() + at.offset, at.size}; }

  int status_ = 0;
  Piece reason_;
  std::vector<Header> headers_;
  std::string bytes_;
};

/// How a step of sending went.
enum class Sent {
  Done,
  Lost,    ///< the client or the transport is gone; no Python exception
  Raised,  ///< a Python exception is pending
};

/// All calls need the GIL; waiting happens without it.
class Response {
 public:
  Response(const wsgix_request& request, std::string_view method) noexcept
      : request_(request), log_(request), method_(method) {}

  /// What start_response() said; replaces what it said before.
  void set_head(ResponseHead head) { head_ = std::move(head); }
  bool has_head() const noexcept { return head_.has_value(); }
  bool head_was_sent() const noexcept { return head_was_sent_; }
  /// Of what start_response() said last; 0 before.
  int status() const noexcept { return head_ ? head_->status() : 0; }

  /// Sends the head unless that was done.
  Sent send_head();
  /// The head when it is due, then the bytes that Content-Length has room for.
  Sent send_body(std::string_view bytes);
  /// What was queued goes to the client now. Nothing happens when the response is complete:
  /// its last piece leaves together with the end mark.
  Sent flush();
  /// A regular file from `offset`; announces its length unless the application did.
  Sent send_file(int descriptor, std::uint64_t offset, std::uint64_t available);

  /// An interim response with those headers; that it does not arrive is no failure.
  void send_hints(const ResponseHead& hints);

  /// What the process knows of the client now. Any thread of the application may ask.
  bool client_is_gone() const noexcept {
    return request_.calls->client_is_gone(request_.stream) != 0;
  }

  bool is_lost() const noexcept { return lost_ != 0; }
  /// A WSGIX_IO_* value once it is lost.
  int loss() const noexcept { return lost_; }
  /// Fewer bytes went out than Content-Length announced.
  bool is_short() const noexcept;
  std::uint64_t declared_bytes() const noexcept { return declared_.value_or(0); }
  std::uint64_t sent_bytes() const noexcept { return sent_; }
  bool had_excess() const noexcept { return had_excess_; }

  Turn& turn() noexcept { return turn_; }

 private:
  void end_if_copied() const;
  bool read_declared_length();
  bool may_hint(const std::vector<wsgix_field>& headers);
  std::vector<wsgix_field> headers_to_send() const;
  template <typename Call>
  Sent call(std::size_t bytes, Call transmit);

  const wsgix_request& request_;
  LogTarget log_;
  std::string_view method_;
  std::optional<ResponseHead> head_;
  std::optional<std::uint64_t> declared_;  // Content-Length of the application
  std::uint64_t sent_ = 0;                 // bytes of the body
  std::size_t queued_ = 0;                 // since the last flush; see WSGIX_QUEUE_BYTES
  int lost_ = 0;
  bool head_was_sent_ = false;
  bool had_excess_ = false;
  std::size_t hints_ = 0;  // asked for so far
  std::size_t hint_bytes_ = 0;
  bool left_hints_out_ = false;
  Turn turn_;
};

}  // namespace wsgix::python

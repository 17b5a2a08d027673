// SPDX-License-Identifier: Apache-2.0
// python/request_body.hpp: the bytes of one request's body, as wsgi.input reads them.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "turn.hpp"
#include "wsgix/runtime/abi.h"

namespace wsgix::python {

/// Reads ahead only as far as lines need it. Waits without the GIL; everything else needs it.
/// Bytes that arrived are never lost: a failing read hands out what it has, the next one fails.
class RequestBody {
 public:
  explicit RequestBody(const wsgix_request& request) noexcept : request_(request) {}

  /// Up to `size` bytes, waiting until they are there or the body ends.
  std::string read(std::size_t size);
  /// What one wait brings, up to `size` bytes; empty at the end.
  std::string read_some(std::size_t size);
  /// Up to and with the next newline, at most `size` bytes.
  std::string read_line(std::size_t size);

  /// The failure that the read just made has to raise: only when it returned nothing.
  bool has_failed() const noexcept { return failure_ != 0; }
  /// A read handed out what had come before the failure, and none has raised it since.
  bool has_unraised_failure() const noexcept { return has_failed() && !failure_was_raised_; }
  /// Text of the OSError; the second and later times it says that the failure is old.
  std::string take_failure_text();
  /// The status that HTTP has for the failure; 0: none failed, or it is not the client's fault.
  int status_of_failure() const noexcept;

  Turn& turn() noexcept { return turn_; }

 private:
  void end_if_copied();
  std::size_t take_pending(std::string& into, std::size_t size);
  /// Appends one piece of at most `size` bytes. False at the end or on failure.
  bool receive(std::string& into, std::size_t size);
  /// Without the GIL: appends until `into` holds `size` bytes, or the body ends or fails.
  void receive_all(std::string& into, std::size_t size);
  bool take_result(std::ptrdiff_t result);
  bool is_over() const noexcept { return at_end_ || failure_ != 0; }

  const wsgix_request& request_;
  Turn turn_;
  std::string pending_;  // received, not yet handed out: from pending_at_ on
  std::size_t pending_at_ = 0;
  bool at_end_ = false;
  int failure_ = 0;  // a WSGIX_IO_* value
  bool failure_was_raised_ = false;
};

}  // namespace wsgix::python

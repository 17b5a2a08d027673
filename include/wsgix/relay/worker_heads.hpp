// SPDX-License-Identifier: Apache-2.0
// relay/worker_heads.hpp: heads that come from a worker, which may not be the runtime any more.
#pragma once

#include <cstdint>
#include <string_view>

#include "wsgix/base/result.hpp"
#include "wsgix/wire/messages.hpp"

namespace wsgix::relay {

/// Decodes and checks by the rules that the runtime applies to applications. Failures:
/// MalformedFrame, WorkerHeadRefused. `head` is views into the payload.
Result<void> read_response_head(std::string_view payload, wire::ResponseHead& head);

/// The interim responses of one request: so many, so long, and no more.
class EarlyHintsReader {
 public:
  /// Failures: those above; UnexpectedFrame for more than one request may have.
  Result<wire::EarlyHints> read(std::string_view payload);

 private:
  std::size_t count_ = 0;
  std::size_t bytes_ = 0;
};

}  // namespace wsgix::relay

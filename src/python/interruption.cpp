// SPDX-License-Identifier: Apache-2.0
#include "interruption.hpp"

#include <fmt/format.h>

namespace wsgix::python {

std::optional<wsgix_interruption> interruption_of(const Exception& cause,
                                                  const Interpreter& interpreter) {
  for (const wsgix_interruption why : {WSGIX_DEADLINE_PASSED, WSGIX_CLIENT_LEFT})
    if (cause.is(interpreter.interruption(why))) return why;
  return {};
}

ErrorCode code_of(wsgix_interruption why) noexcept {
  return why == WSGIX_CLIENT_LEFT ? ErrorCode::ClientGone : ErrorCode::RequestTimedOut;
}

int status_of(ErrorCode code) noexcept {
  switch (code) {
    case ErrorCode::RequestTimedOut: return 504;
    case ErrorCode::TooManyInterpreters: return 503;
    case ErrorCode::ClientGone: return 499;  // nobody sees it but the access log
    default: return 500;
  }
}

void log_interruption(const Exception& cause, std::string_view script, const LogTarget& log) {
  const SourceLocation location = cause.innermost();
  log.text(kLogInfo,
           fmt::format("script {}: {} ended the request in {}, line {}, in {}", script,
                       cause.type_name(), location.file, location.line, location.function));
}

}  // namespace wsgix::python

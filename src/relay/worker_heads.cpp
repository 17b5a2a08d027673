// SPDX-License-Identifier: Apache-2.0
#include "wsgix/relay/worker_heads.hpp"

#include <string>
#include <vector>

#include "wsgix/wsgi/response_rules.hpp"

namespace wsgix::relay {
namespace {

constexpr std::size_t kShownBytes = 200;

/// The runtime lets nothing of the kind pass: whoever sent it is not the runtime any more.
Failed refused(std::string_view objection) {
  const bool is_long = objection.size() > kShownBytes;
  return failed(ErrorCode::WorkerHeadRefused, "the worker sent a head that breaks a rule: " +
                                                  std::string(objection.substr(0, kShownBytes)) +
                                                  (is_long ? "..." : ""));
}

Result<void> check_headers(wsgi::HeadCheck& check, const std::vector<wire::FieldView>& headers) {
  for (const wire::FieldView& field : headers) {
    if (const auto objection = check.header(field.name, field.value)) return refused(*objection);
  }
  return {};
}

}  // namespace

Result<void> read_response_head(std::string_view payload, wire::ResponseHead& head) {
  if (auto decoded = wire::decode_response_head(payload, head); !decoded) return decoded;
  wsgi::HeadCheck check;
  if (const auto objection = check.status(head.status, head.reason)) return refused(*objection);
  return check_headers(check, head.headers);
}

/// The runtime keeps to these limits as well; httpd's memory does not rely on it.
Result<wire::EarlyHints> EarlyHintsReader::read(std::string_view payload) {
  bytes_ += payload.size();
  if (++count_ > wsgi::kMostEarlyHints || bytes_ > wsgi::kMostEarlyHintBytes) {
    return failed(ErrorCode::UnexpectedFrame,
                  "the worker sent more interim responses than one request may have");
  }
  Result<wire::EarlyHints> hints = wire::decode_early_hints(payload);
  if (!hints) return hints;
  wsgi::HeadCheck check;
  check.interim();
  if (const auto checked = check_headers(check, hints->headers); !checked) return failed(checked);
  return hints;
}

}  // namespace wsgix::relay

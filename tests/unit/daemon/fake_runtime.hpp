// SPDX-License-Identifier: Apache-2.0
// A runtime without Python: what a request does is a C++ function of the test.
#pragma once

#include <functional>
#include <string>

#include "wsgix/runtime/abi.h"

namespace wsgix::daemon::testing {

using Handler = std::function<wsgix_outcome(const wsgix_request&)>;

/// One at a time; set before the threads start.
inline Handler& handler() {
  static Handler current;
  return current;
}

inline const wsgix_runtime& fake_runtime() {
  static const wsgix_runtime table = [] {
    wsgix_runtime runtime{};
    runtime.abi_major = WSGIX_RUNTIME_ABI_MAJOR;
    runtime.abi_minor = WSGIX_RUNTIME_ABI_MINOR;
    runtime.handle_request = [](const wsgix_request* request, wsgix_outcome* outcome) {
      *outcome = handler()(*request);
    };
    return runtime;
  }();
  return table;
}

inline void send_head(const wsgix_request& request, int status) {
  const wsgix_field header{{"Content-Type", 12}, {"text/plain", 10}};
  const wsgix_response_head head{status, {"OK", 2}, &header, 1};
  request.calls->send_head(request.stream, &head);
}

inline wsgix_outcome respond(const wsgix_request& request, const std::string& body) {
  send_head(request, 200);
  request.calls->send_body(request.stream, body.data(), body.size());
  return {WSGIX_COMPLETE, 0, 0};
}

inline std::string environ_value(const wsgix_request& request, std::string_view name) {
  for (std::size_t i = 0; i < request.environ_count; ++i) {
    const wsgix_field& field = request.environ[i];
    if (std::string_view(field.name.data, field.name.size) == name) {
      return {field.value.data, field.value.size};
    }
  }
  return {};
}

}  // namespace wsgix::daemon::testing

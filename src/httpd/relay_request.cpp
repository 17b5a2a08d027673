// SPDX-License-Identifier: Apache-2.0
#include "relay_request.hpp"

#include "environ.hpp"

namespace wsgix::httpd {

wire::RequestHead head_of(request_rec& r, const Route& route, BodyFacts body) {
  Environ environment = build_environ(r, route, body);
  wire::RequestHead head;
  head.environ = std::move(environment.fields);
  if (environment.https) head.flags |= wire::RequestHead::kHttps;
  if (body.has_body) head.flags |= wire::RequestHead::kHasBody;
  if (route.ignores_activity) head.flags |= wire::RequestHead::kIgnoresActivity;
  head.content_length = body.content_length;
  head.request_start_us = r.request_time;
  head.script = route.script_ref();
  return head;
}

relay::Limits limits_of(const request_rec& r, const Route& route) {
  const config::DaemonSettings& group = route.group->settings;
  const Clock::duration httpds = std::chrono::microseconds(r.server->timeout);
  const auto first_of = [&](milliseconds one, milliseconds other = {}) -> Clock::duration {
    if (one > milliseconds::zero()) return one;
    return other > milliseconds::zero() ? other : httpds;
  };
  relay::Limits limits{};
  limits.queue = first_of(group.queue_timeout, group.socket_timeout);
  limits.worker = first_of(group.socket_timeout);
  // While the client is to send, its slowness is judged by httpd's Timeout.
  limits.client_read = httpds;
  limits.client_write = first_of(group.response_socket_timeout, group.socket_timeout);
  limits.whole = route.deadline.span;
  return limits;
}

}  // namespace wsgix::httpd

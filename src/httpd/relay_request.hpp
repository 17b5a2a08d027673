// SPDX-License-Identifier: Apache-2.0
// httpd/relay_request.hpp: a request of httpd as its worker and its timers see it. Daemon mode.
#pragma once

#include "client_body.hpp"
#include "routing.hpp"
#include "wsgix/relay/timers.hpp"
#include "wsgix/wire/messages.hpp"

namespace wsgix::httpd {

/// Views of the request's own memory. When it is queued, and its deadline, are the relay's to say.
wire::RequestHead head_of(request_rec& r, const Route& route, BodyFacts body);

relay::Limits limits_of(const request_rec& r, const Route& route);

}  // namespace wsgix::httpd

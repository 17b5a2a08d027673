// SPDX-License-Identifier: Apache-2.0
// httpd/received_body.hpp: a request body whose length is known only when all of it is here.
#pragma once

#include "client_body.hpp"

namespace wsgix::httpd {

/// A filter decodes the body, so that a Content-Length of the client counts other bytes than those
/// that the application will read.
bool is_decoded_by_a_filter(const request_rec& r);

/// Receives the whole body, up to `limit` bytes, and makes it one of known length. OK, or the
/// status that the client gets; the reason is logged.
int receive_whole_body(request_rec& r, BodyFacts& body, std::int64_t limit);

}  // namespace wsgix::httpd

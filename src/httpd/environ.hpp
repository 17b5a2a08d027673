// SPDX-License-Identifier: Apache-2.0
// httpd/environ.hpp: a request_rec as the fields that an application's environ is made of.
#pragma once

#include <vector>

#include "client_body.hpp"
#include "routing.hpp"
#include "wsgix/wire/messages.hpp"

namespace wsgix::httpd {

struct Environ {
  std::vector<wire::FieldView> fields;  ///< views of the request's memory; no name twice
  bool https = false;
};

/// Everything but what the runtime adds itself. On the hot path: one pass, no copies of values.
Environ build_environ(request_rec& r, const Route& route, const BodyFacts& body);

}  // namespace wsgix::httpd

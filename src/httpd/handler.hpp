// SPDX-License-Identifier: Apache-2.0
// httpd/handler.hpp: the content handler of scripts.
#pragma once

#include "trampoline.hpp"

namespace wsgix::httpd {

/// The handler hook.
Result<Outcome> handle_script(request_rec& r);

}  // namespace wsgix::httpd

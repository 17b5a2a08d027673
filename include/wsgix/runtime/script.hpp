// SPDX-License-Identifier: Apache-2.0
// runtime/script.hpp: a script as the runtime library is told of it.
#pragma once

#include "wsgix/runtime/abi.h"
#include "wsgix/runtime/text.hpp"
#include "wsgix/wsgi/script_ref.hpp"

namespace wsgix::runtime {

/// Borrows the texts. A Rolling script is not reloaded by requests: its process is replaced.
inline wsgix_script script_of(const wsgi::ScriptRef& script) noexcept {
  return {text_of(script.path),
          text_of(script.application_group),
          text_of(script.callable),
          script.modified_us,
          script.reloading == wsgi::ScriptReloading::On,
          script.named_by_request};
}

}  // namespace wsgix::runtime

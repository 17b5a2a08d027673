// SPDX-License-Identifier: Apache-2.0
// python/server_guard.hpp: a script that starts a server of its own while it is imported must not
// hang its process or occupy a port.
#pragma once

namespace wsgix::python {

/// For the current interpreter. False: a Python exception is pending.
bool install_server_guard();

/// While it lives, socketserver.BaseServer.serve_forever() raises on this thread.
class [[nodiscard]] LoadingScript {
 public:
  LoadingScript() noexcept;
  ~LoadingScript();
  LoadingScript(const LoadingScript&) = delete;
  LoadingScript& operator=(const LoadingScript&) = delete;
};

}  // namespace wsgix::python

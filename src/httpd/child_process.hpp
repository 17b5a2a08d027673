// SPDX-License-Identifier: Apache-2.0
// httpd/child_process.hpp: what one httpd child holds for its requests.
#pragma once

#include <memory>
#include <vector>

#include "connections.hpp"
#include "embedded.hpp"

namespace wsgix::httpd {

class ChildProcess {
 public:
  explicit ChildProcess(const server_rec& main);
  ~ChildProcess();
  ChildProcess(const ChildProcess&) = delete;
  ChildProcess& operator=(const ChildProcess&) = delete;

  /// nullptr when the group has no scoreboard in this child.
  GroupClient* client_of(const Group& group) noexcept;
  EmbeddedPython& embedded() noexcept { return *embedded_; }

 private:
  std::vector<std::unique_ptr<GroupClient>> clients_;
  std::unique_ptr<EmbeddedPython> embedded_;
};

/// The child_init hook.
void start_child(apr_pool_t& pchild, server_rec& main);

}  // namespace wsgix::httpd

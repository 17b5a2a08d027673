// SPDX-License-Identifier: Apache-2.0
// httpd/child_process.hpp: what one httpd child holds for its requests.
#pragma once

#include <atomic>
#include <memory>
#include <vector>

#include "connection_pool.hpp"
#include "embedded.hpp"
#include "unbuffered.hpp"

namespace wsgix::httpd {

class ChildProcess {
 public:
  explicit ChildProcess(const server_rec& main);
  ~ChildProcess();
  ChildProcess(const ChildProcess&) = delete;
  ChildProcess& operator=(const ChildProcess&) = delete;

  /// nullptr when the group has no scoreboard in this child.
  ConnectionPool* pool_of(const Group& group) noexcept;
  EmbeddedPython& embedded() noexcept { return *embedded_; }
  SpoolFaults& spool_faults() noexcept { return spool_faults_; }

  /// While it lives, a request uses what this object owns.
  class InUse {
   public:
    explicit InUse(ChildProcess& child) noexcept : child_(child) { child_.requests_.fetch_add(1); }
    ~InUse() { child_.requests_.fetch_sub(1); }
    InUse(const InUse&) = delete;
    InUse& operator=(const InUse&) = delete;

   private:
    ChildProcess& child_;
  };

 private:
  using Pools = std::vector<std::unique_ptr<ConnectionPool>>;

  std::atomic<int> requests_{0};
  SpoolFaults spool_faults_;
  std::unique_ptr<Pools> pools_;
  std::unique_ptr<EmbeddedPython> embedded_;
};

/// The child_init hook.
void start_child(apr_pool_t& pchild, server_rec& main);

}  // namespace wsgix::httpd

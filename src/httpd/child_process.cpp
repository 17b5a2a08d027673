// SPDX-License-Identifier: Apache-2.0
#include "child_process.hpp"

#include "hosts.hpp"
#include "log.hpp"
#include "pool.hpp"
#include "preloads.hpp"

namespace wsgix::httpd {
namespace {

/// Nothing but embedded mode can serve requests, or a script asks for it at the start.
bool embedded_is_likely(const server_rec& main) {
  const ServerConfig& config = config_of(main);
  // As the contract has it, such a script needs Python here whatever else is said.
  if (!imports_of(main, {}).empty()) return true;
  if (config.restrict_embedded.value_or(false)) return false;
  const bool has_groups = config.registry != nullptr && !config.registry->all().empty();
  return !has_groups || !preloads_of(main, {}).empty();
}

}  // namespace

ChildProcess::ChildProcess(const server_rec& main)
    : clients_(std::make_unique<Clients>()), embedded_(std::make_unique<EmbeddedPython>(main)) {
  const GroupRegistry* registry = config_of(main).registry;
  if (registry == nullptr) return;
  const auto threads = static_cast<std::size_t>(mpm_number(AP_MPMQ_MAX_THREADS, 1));
  for (const Group& group : registry->all()) {
    if (group.scoreboard < 0) continue;
    Result<scoreboard::Mapping> board = scoreboard::map(group.scoreboard);
    if (!board) {
      log(main, LogLevel::Error, board.error());
      continue;
    }
    clients_->push_back(std::make_unique<GroupClient>(group, std::move(*board), threads));
  }
}

ChildProcess::~ChildProcess() {
  // An MPM without threads ends a child in a signal handler, on top of the request that runs: what
  // that is in the middle of, malloc(3) included, is left as it is. The process exits next.
  if (requests_.load() != 0 && mpm_number(AP_MPMQ_IS_THREADED, 0) == 0) {
    static_cast<void>(clients_.release());
    static_cast<void>(embedded_.release());
    return;
  }
  // Kept until exit() when it cannot be ended: see EmbeddedPython::stop().
  if (!embedded_->stop()) static_cast<void>(embedded_.release());
}

GroupClient* ChildProcess::client_of(const Group& group) noexcept {
  for (const auto& client : *clients_) {
    if (&client->group() == &group) return client.get();
  }
  return nullptr;
}

void start_child(apr_pool_t& pchild, server_rec& main) {
  ServerConfig& config = config_of(main);
  config.child = &make_in_pool<ChildProcess>(&pchild, main);
  if (!is_single_process()) close_kept_descriptors();
  if (!embedded_is_likely(main)) return;
  if (const Result<void> started = config.child->embedded().start(); !started) {
    log(main, LogLevel::Error, started.error());
  }
}

}  // namespace wsgix::httpd

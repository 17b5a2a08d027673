// SPDX-License-Identifier: Apache-2.0
#include "child_process.hpp"

#include "hosts.hpp"
#include "log.hpp"
#include "pool.hpp"
#include "preloads.hpp"
#include "server_sockets.hpp"
#include "wsgix/base/process_copy.hpp"

namespace wsgix::httpd {
namespace {

bool has_aliases(const server_rec& main) {
  for (const server_rec* server = &main; server != nullptr; server = server->next) {
    if (!config_of(*server).aliases.empty()) return true;
  }
  return false;
}

/// Something will certainly run here: Python is ready before the first request. A child that only
/// may have to (a handler in some folder, a group's name in a variable) starts it when it has to:
/// most servers that load this module never do, and each of their children would pay for it.
bool embedded_is_certain(const server_rec& main) {
  const ServerConfig& config = config_of(main);
  // As the contract has it, such a script needs Python here whatever else is said.
  if (!imports_of(main, {}).empty()) return true;
  if (config.restrict_embedded.value_or(false)) return false;
  const bool has_groups = config.registry != nullptr && !config.registry->all().empty();
  // Where there are groups, any section may send an alias to one, unless the alias itself says.
  return has_groups ? !preloads_of(main, {}).empty() : has_aliases(main);
}

}  // namespace

ChildProcess::ChildProcess(const server_rec& main)
    : pools_(std::make_unique<Pools>()), embedded_(std::make_unique<EmbeddedPython>(main)) {
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
    pools_->push_back(std::make_unique<ConnectionPool>(group, std::move(*board), threads));
  }
}

ChildProcess::~ChildProcess() {
  // A copy that the application forked has neither the threads that would have to be joined nor
  // anything to say to anybody.
  if (this_process_is_a_copy()) {
    static_cast<void>(pools_.release());
    static_cast<void>(embedded_.release());
    return;
  }
  // An MPM without threads ends a child in a signal handler, on top of the request that runs: what
  // that is in the middle of, malloc(3) included, is left as it is. The process exits next.
  if (requests_.load() != 0 && mpm_number(AP_MPMQ_IS_THREADED, 0) == 0) {
    static_cast<void>(pools_.release());
    static_cast<void>(embedded_.release());
    return;
  }
  // Kept until exit() when it cannot be ended: see EmbeddedPython::stop().
  if (!embedded_->stop()) static_cast<void>(embedded_.release());
}

ConnectionPool* ChildProcess::pool_of(const Group& group) noexcept {
  for (const auto& pool : *pools_) {
    if (&pool->group() == &group) return pool.get();
  }
  return nullptr;
}

void start_child(apr_pool_t& pchild, server_rec& main) {
  ServerConfig& config = config_of(main);
  config.child = &make_in_pool<ChildProcess>(&pchild, main);
  if (!is_single_process()) close_kept_descriptors();
  remember_listeners();
  if (!embedded_is_certain(main)) return;
  if (const Result<void> started = config.child->embedded().start(); !started) {
    log(main, LogLevel::Error, started.error());
  }
}

}  // namespace wsgix::httpd

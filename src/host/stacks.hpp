// SPDX-License-Identifier: Apache-2.0
// host/stacks.hpp: the Python stacks of a worker, from outside, into the log of its group.
#pragma once

#include <string>

#include "running.hpp"
#include "wsgix/base/log_sink.hpp"

namespace wsgix::host {

class Stacks {
 public:
  Stacks(std::string group, LogSink& log) : group_(std::move(group)), log_(log) {}

  /// The worker writes them although its Python may make no progress, unless it is stopped.
  void ask(Running& worker);
  /// Logs what it has written. Never waits.
  void read_lines(Running& worker);
  /// The last of it.
  void finish(Running& worker);

 private:
  void take(Running& worker, std::string_view text);
  void log_line(Running& worker);

  std::string group_;
  LogSink& log_;
};

}  // namespace wsgix::host

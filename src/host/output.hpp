// SPDX-License-Identifier: Apache-2.0
// host/output.hpp: what workers, and whatever they start, write to their descriptors 1 and 2: read
// from a pipe for each worker and written to the error log as lines that say whose they are.
//
// Belongs to the supervisor's only thread. Reading never makes it wait.
#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

#include "wsgix/base/clock.hpp"
#include "wsgix/base/unique_fd.hpp"
#include "wsgix/base/worker_output.hpp"
#include "wsgix/os/error_log.hpp"
#include "wsgix/os/poll_set.hpp"

namespace wsgix::host {

class Outputs {
 public:
  /// A line without an end becomes one when nothing has followed it for so long: more than a writer
  /// on a busy machine needs between two pieces of a line.
  static constexpr milliseconds kPatience{1000};
  /// Pipes of workers that have ended, still held by what they have started.
  static constexpr std::size_t kMostLeftBehind = 256;

  /// Borrows the descriptor of the error log.
  Outputs(std::string group, int error_log, LogLevel level);

  /// The reading end of what this worker has as descriptors 1 and 2.
  void add(pid_t worker, UniqueFd pipe);
  /// Adds what the next poll(2) should wait for.
  void watch(os::PollSet& set) const;
  Deadline next_deadline() const noexcept;
  /// Goes on with each of them, within bounds: one that never ends does not hold up the others.
  void serve(Deadline now);
  /// To be called before its end is logged: everything that it wrote comes first. The pipe is
  /// read for as long as somebody else can write to it.
  void worker_ended(pid_t worker);
  /// Everything that has been written until now.
  void finish();
  /// In a child of the supervisor: nothing of it stays open there.
  void close() noexcept { outputs_.clear(); }

 private:
  struct Output {
    UniqueFd pipe;  ///< null: it has ended
    pid_t worker = 0;
    bool worker_lives = true;
    bool has_more = false;  ///< lines that have been read and not been written
    Deadline flush_at = kNever;
    OutputLines lines{};
  };

  bool log_has_room() const noexcept;
  void relay_some(Output& output, Deadline now);
  bool write_lines(Output& output, int& most);
  void write_rest(Output& output);
  void drain(Output& output);
  void write(const Output& output, const OutputLine& line);
  void give_up_the_oldest();

  std::string group_;
  int error_log_;
  os::ErrorLog log_;
  bool log_may_be_full_;  ///< a pipe or socket to a logger; files always have room
  std::vector<Output> outputs_;
};

}  // namespace wsgix::host

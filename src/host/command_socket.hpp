// SPDX-License-Identifier: Apache-2.0
// host/command_socket.hpp: lines in and lines out of a group's control socket, within bounds.
//
// Belongs to the supervisor's only thread and never makes it wait. Knows no command.
#pragma once

#include <sys/types.h>

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "wsgix/base/clock.hpp"
#include "wsgix/base/unique_fd.hpp"
#include "wsgix/os/poll_set.hpp"

namespace wsgix::host {

struct CommandPeer {
  pid_t pid = 0;
  uid_t uid = 0;
};

class CommandSocket {
 public:
  /// The answer to one line, both without the newline.
  using Answer = std::function<std::string(std::string_view line, const CommandPeer& peer)>;

  static constexpr std::size_t kMostConnections = 8;
  static constexpr seconds kPatience{5};
  static constexpr milliseconds kPauseAfterFailure{100};

  /// Anything but a listening socket counts as none.
  CommandSocket(UniqueFd listener, Answer answer);

  /// Adds what the next poll(2) should wait for.
  void watch(os::PollSet& set) const;
  Deadline next_deadline() const noexcept;
  /// Goes on with whatever can go on now.
  void serve(Deadline now);

  /// Takes no more connections; those that are there are answered.
  void stop_listening() noexcept;
  /// In a child of the supervisor: nothing of it stays open there.
  void close() noexcept;

 private:
  struct Connection {
    UniqueFd socket;
    CommandPeer peer;
    Deadline deadline;
    std::string line;
    std::string answer;  ///< what is left of it to be sent
  };
  enum class Progress { Waits, Finished };

  void accept_some(Deadline now);
  Progress advance(Connection& connection) const;
  Progress receive_line(Connection& connection) const;

  UniqueFd listener_;
  std::optional<Deadline> accepts_again_;  ///< after accept(2) has failed
  Answer answer_;
  std::vector<Connection> connections_;
};

}  // namespace wsgix::host

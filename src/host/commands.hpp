// SPDX-License-Identifier: Apache-2.0
// host/commands.hpp: what an operator may ask the supervisor of a group for, with `wsgix ctl`.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "command_socket.hpp"
#include "wsgix/base/log_sink.hpp"
#include "wsgix/config/daemon_settings.hpp"
#include "wsgix/scoreboard/scoreboard.hpp"
#include "wsgix/supervisor/succession.hpp"
#include "wsgix/wire/command.hpp"

namespace wsgix::host {

/// What the supervision does for it.
class Operations {
 public:
  virtual void reload() = 0;
  virtual void drain() = 0;
  virtual void resume() = 0;
  virtual void write_stacks() = 0;
  virtual bool is_paused() const = 0;

 protected:
  ~Operations() = default;
};

/// Two hosts of a group may have the same socket for a while: the old one answers until its
/// successor is ready.
class Commands {
 public:
  Commands(const config::HostSettings& settings, scoreboard::Board& board, Operations& operations,
           const supervisor::Succession& succession, LogSink& log);

  void watch(os::PollSet& set) const;
  Deadline next_deadline() const;
  void serve(Deadline now);

  void stop_listening() noexcept { socket_.stop_listening(); }
  void close() noexcept { socket_.close(); }

 private:
  std::string answer(std::string_view line, const CommandPeer& peer);
  /// Why nothing was done; empty: done.
  std::string carry_out(std::string_view line, const CommandPeer& peer);
  std::string carry_out(wire::Command command);
  std::string why_not_reloaded() const;
  bool may_command(const CommandPeer& peer) const noexcept;

  const config::HostSettings& settings_;
  scoreboard::Board& board_;
  Operations& operations_;
  const supervisor::Succession& succession_;
  LogSink& log_;
  CommandSocket socket_;
  std::string error_log_;
};

}  // namespace wsgix::host

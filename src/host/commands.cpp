// SPDX-License-Identifier: Apache-2.0
#include "commands.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <climits>

#include "from_httpd.hpp"
#include "group_report.hpp"
#include "wsgix/os/child.hpp"
#include "wsgix/wire/group_status.hpp"

namespace wsgix::host {
namespace {

using wire::Command;

/// The file that this process logs to; empty when it is none, or /proc is not there.
std::string path_of_error_log() {
  char path[PATH_MAX];
  const std::string link = fmt::format("/proc/self/fd/{}", int{kErrorLog});
  const ssize_t size = ::readlink(link.c_str(), path, sizeof path);
  const bool is_file = size > 0 && path[0] == '/' && path != std::string_view("/dev/null");
  return is_file ? std::string(path, static_cast<std::size_t>(size)) : std::string();
}

}  // namespace

Commands::Commands(const config::HostSettings& settings, scoreboard::Board& board,
                   Operations& operations, const supervisor::Succession& succession, LogSink& log)
    : settings_(settings),
      board_(board),
      operations_(operations),
      succession_(succession),
      log_(log),
      socket_(UniqueFd(kCommands), [this](std::string_view line,
                                          const CommandPeer& peer) { return answer(line, peer); }),
      error_log_(path_of_error_log()) {}

void Commands::watch(os::PollSet& set) const {
  if (!succession_.predecessor_serves()) socket_.watch(set);
}

Deadline Commands::next_deadline() const {
  return succession_.predecessor_serves() ? kNever : socket_.next_deadline();
}

void Commands::serve(Deadline now) {
  if (!succession_.predecessor_serves()) socket_.serve(now);
}

std::string Commands::answer(std::string_view line, const CommandPeer& peer) {
  wire::CommandAnswer answer;
  if (may_command(peer)) {
    answer.status = report_group(settings_, board_);
    answer.status.error_log = error_log_;
    if (succession_.is_superseded()) answer.status.state = wire::kSuperseded;
    answer.refused = carry_out(line, peer);
  } else {
    answer.refused = "not permitted";
    log_.write(LogLevel::Warning,
               Error{ErrorCode::PeerNotTrusted,
                     fmt::format("group '{}': control socket: uid {} (pid {}) may not command it",
                                 settings_.daemon.name, peer.uid, peer.pid)});
  }
  return wire::encode_answer(answer);
}

bool Commands::may_command(const CommandPeer& peer) const noexcept {
  // An httpd that was not started as root gave its own account to this process.
  return peer.uid == 0 || (!settings_.started_as_root && peer.uid == ::geteuid());
}

std::string Commands::carry_out(std::string_view line, const CommandPeer& peer) {
  const Result<Command> command = wire::decode_command(line);
  if (!command) {
    log_.write(LogLevel::Info, command.error());
    return command.error().what;
  }
  if (*command == Command::Status) return {};
  std::string refused = carry_out(*command);
  log_.write(LogLevel::Notice,
             Error{ErrorCode::CommandGiven,
                   fmt::format("group '{}': {}: asked for by uid {} (pid {}){}{}",
                               settings_.daemon.name, wire::to_string(*command), peer.uid, peer.pid,
                               refused.empty() ? "" : " and refused: ", refused)});
  return refused;
}

std::string Commands::why_not_reloaded() const {
  const std::uint32_t failures = board_.failures_in_a_row.load();
  return fmt::format(
      "httpd was restarted, and the group's new host is not ready yet{}; try it again then",
      failures == 0 ? ""
                    : fmt::format(": {} starts of its workers in a row have failed, see the error "
                                  "log",
                                  failures));
}

std::string Commands::carry_out(Command command) {
  // Until the newer host is ready this one drains and resumes when it is told to; that one then
  // finds on the board which of it holds.
  if (command == Command::Reload && succession_.is_superseded()) return why_not_reloaded();
  const bool is_paused = operations_.is_paused();
  switch (command) {
    case Command::Status: break;
    case Command::Reload:
      if (is_paused) return "the group is drained; resume starts its new workers";
      operations_.reload();
      break;
    case Command::Drain: operations_.drain(); break;
    case Command::Resume:
      if (!is_paused) return "the group is not drained";
      operations_.resume();
      break;
    case Command::Stacks: operations_.write_stacks(); break;
  }
  return {};
}

}  // namespace wsgix::host

// SPDX-License-Identifier: Apache-2.0
// wire/group_status.hpp: what a group's host answers to a command, as one line of JSON.
//
// A host runs under the account of an application: whoever reads an answer believes nothing in it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "wsgix/base/result.hpp"

namespace wsgix::wire {

/// What an answer may have at most; a host keeps its lists short enough.
inline constexpr std::size_t kMaxAnswerBytes = 4 * 1024 * 1024;

using Age = std::optional<std::int64_t>;  ///< milliseconds; nothing: not known

struct WorkerStatus {
  std::uint32_t pid = 0;
  std::string state;
  std::uint32_t generation = 0;
  Age age_ms;
  std::uint32_t busy = 0;
  std::uint64_t requests = 0;
  std::uint64_t resident_bytes = 0;  ///< 0: not measured yet
  Age heartbeat_ms;                  ///< since Python made progress

  bool operator==(const WorkerStatus&) const = default;
};

struct RequestStatus {
  std::uint32_t worker = 0;
  std::uint32_t thread = 0;
  std::string phase;
  std::string request;  ///< "GET /path"
  Age age_ms;
  Age time_left_ms;  ///< to its deadline; nothing: it has none

  bool operator==(const RequestStatus&) const = default;
};

struct DeathStatus {
  std::uint32_t number = 0;  ///< counts up with each end of a worker
  std::uint32_t pid = 0;
  std::string end;     ///< "was killed by signal 9 (SIGKILL)"
  std::string reason;  ///< why it was to end
  Age age_ms;

  bool operator==(const DeathStatus&) const = default;
};

/// The state of a group whose host will be replaced as soon as its successor is ready: it takes no
/// command that the successor would not know of.
inline constexpr char kSuperseded[] = "superseded";

struct GroupStatus {
  std::string group;
  std::string state;       ///< starting, serving, paused, superseded
  std::uint32_t host = 0;  ///< who answers
  std::uint32_t generation = 0;
  std::uint32_t processes = 0;
  std::uint32_t threads = 0;
  std::uint32_t failures_in_a_row = 0;  ///< of starts
  std::string error_log;                ///< its path; empty: not a file, or not known
  std::vector<WorkerStatus> workers;
  std::uint32_t running = 0;            ///< may be more than `requests` has
  std::vector<RequestStatus> requests;  ///< the oldest first
  std::uint32_t waiting = 0;            ///< for a free thread
  Age waiting_oldest_ms;
  std::uint32_t deaths_so_far = 0;
  std::vector<DeathStatus> deaths;  ///< the newest first

  bool operator==(const GroupStatus&) const = default;
};

struct CommandAnswer {
  std::string refused;  ///< why nothing was done; empty: done
  GroupStatus status;   ///< as it was before the command

  bool operator==(const CommandAnswer&) const = default;
};

/// Without the newline that ends it on the socket. ASCII only.
std::string encode_answer(const CommandAnswer& answer);
/// Failure: CommandRefused.
Result<CommandAnswer> decode_answer(std::string_view line);
/// For people and their scripts: a list of groups, over several lines.
std::string to_json_text(const std::vector<GroupStatus>& groups);

}  // namespace wsgix::wire

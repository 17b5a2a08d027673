// SPDX-License-Identifier: Apache-2.0
// wire/command.hpp: what an operator asks a group's host for, as one line of JSON.
//
// The socket belongs to one group, so a request does not name it.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "wsgix/base/result.hpp"

namespace wsgix::wire {

inline constexpr std::size_t kMaxCommandBytes = 4096;

enum class Command : std::uint8_t {
  Status,  ///< only the answer, which every command has
  Reload,  ///< a new worker for each, one by one
  Drain,   ///< no more requests until Resume; the running ones end
  Resume,
  Stacks,  ///< what every thread with a request does, into the group's error log
};
const char* to_string(Command command) noexcept;

/// {"command":"reload"}, without the newline that ends it on the socket.
std::string encode_command(Command command);
/// Failure: CommandRefused, in words for whoever wrote the line.
Result<Command> decode_command(std::string_view line);

}  // namespace wsgix::wire

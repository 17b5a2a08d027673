// SPDX-License-Identifier: Apache-2.0
#include "wsgix/wire/command.hpp"

#include <array>
#include <nlohmann/json.hpp>

namespace wsgix::wire {
namespace {

using Json = nlohmann::json;

constexpr std::array kCommands = {Command::Status, Command::Reload, Command::Drain, Command::Resume,
                                  Command::Stacks};
constexpr char kMember[] = "command";

Failed refused(const std::string& what) {
  return failed(ErrorCode::CommandRefused, "control socket: " + what);
}

}  // namespace

const char* to_string(Command command) noexcept {
  switch (command) {
    case Command::Status: return "status";
    case Command::Reload: return "reload";
    case Command::Drain: return "drain";
    case Command::Resume: return "resume";
    case Command::Stacks: return "stacks";
  }
  return "unknown";
}

std::string encode_command(Command command) { return Json{{kMember, to_string(command)}}.dump(); }

Result<Command> decode_command(std::string_view line) {
  if (line.size() > kMaxCommandBytes) return refused("the line is too long");
  const Json request = Json::parse(line, nullptr, false);
  if (!request.is_object()) return refused("the line is not a JSON object");
  const auto found = request.find(kMember);
  if (found == request.end() || request.size() != 1 || !found->is_string()) {
    return refused("the object must have one member, \"command\", and it must be a string");
  }
  const auto& name = found->get_ref<const std::string&>();
  for (const Command command : kCommands) {
    if (name == to_string(command)) return command;
  }
  return refused("there is no such command");
}

}  // namespace wsgix::wire

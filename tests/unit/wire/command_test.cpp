// SPDX-License-Identifier: Apache-2.0
#include "wsgix/wire/command.hpp"

#include <gtest/gtest.h>

#include <algorithm>

#include "wsgix/wire/group_status.hpp"

namespace wsgix::wire {
namespace {

TEST(Command, ReadsWhatItWrites) {
  for (const auto command :
       {Command::Status, Command::Reload, Command::Drain, Command::Resume, Command::Stacks}) {
    const auto read = decode_command(encode_command(command));
    ASSERT_TRUE(read);
    EXPECT_EQ(*read, command);
  }
}

TEST(Command, IsOneObjectWithOneMember) {
  EXPECT_EQ(*decode_command(R"( { "command" : "drain" } )"), Command::Drain);
  for (const char* line :
       {"", "reload", "[]", "null", "{}", R"({"command":"Reload"})", R"({"command":""})",
        R"({"command":2})", R"({"command":["reload"]})", R"({"command":"reload","now":true})",
        R"({"command":"reload"} {})", "{\"command\":\"rel\xff\"}"}) {
    const auto read = decode_command(line);
    ASSERT_FALSE(read) << line;
    EXPECT_EQ(read.error().code, ErrorCode::CommandRefused);
  }
}

TEST(Command, HasAtMostFourKibibytes) {
  const std::string command = encode_command(Command::Status);
  EXPECT_TRUE(decode_command(command + std::string(kMaxCommandBytes - command.size(), ' ')));
  EXPECT_FALSE(decode_command(command + std::string(kMaxCommandBytes + 1 - command.size(), ' ')));
}

CommandAnswer full_answer() {
  GroupStatus status{.group = "shop",
                     .state = "serving",
                     .host = 4711,
                     .generation = 3,
                     .processes = 2,
                     .threads = 15,
                     .failures_in_a_row = 1,
                     .error_log = "/var/log/shop \"quoted\".log"};
  status.workers = {{4712, "ready", 3, 61'000, 2, 1ull << 40, 5ull << 30, 250},
                    {4713, "starting", 3, std::nullopt, 0, 0, 0, std::nullopt}};
  status.running = 1;
  status.requests = {{4712, 4720, "running", "GET /?a=\\", 1234, -5}};
  status.waiting = 7;
  status.waiting_oldest_ms = 0;
  status.deaths_so_far = 9;
  status.deaths = {{9, 4700, "exited with code 3", "unexpected", 10}};
  return {"not now", std::move(status)};
}

TEST(CommandAnswer, ReadsWhatItWrites) {
  const CommandAnswer answer = full_answer();

  const std::string line = encode_answer(answer);

  EXPECT_EQ(line.find('\n'), std::string::npos);
  const auto read = decode_answer(line);
  ASSERT_TRUE(read);
  EXPECT_EQ(*read, answer);
}

TEST(CommandAnswer, IsAsciiWhateverAGroupIsCalled) {
  CommandAnswer answer = full_answer();
  answer.status.group = "caf\xc3\xa9 \xff\x1b[2J";

  const std::string line = encode_answer(answer);

  EXPECT_TRUE(std::all_of(line.begin(), line.end(), [](char c) { return c >= ' ' && c <= '~'; }));
  EXPECT_TRUE(decode_answer(line));
}

/// The answer with one value in the place of another.
std::string changed(std::string_view from, std::string_view to) {
  std::string line = encode_answer(full_answer());
  const std::size_t at = line.find(from);
  EXPECT_NE(at, std::string::npos) << from;
  return line.replace(at, from.size(), to);
}

TEST(CommandAnswer, IsRefusedWhenAValueIsMissingOrOfAnotherKind) {
  EXPECT_FALSE(decode_answer("{}"));
  EXPECT_FALSE(decode_answer("[1]"));
  EXPECT_FALSE(decode_answer(changed(R"("host":4711)", R"("host":-1)")));
  EXPECT_FALSE(decode_answer(changed(R"("host":4711)", R"("host":4294967296)")));
  EXPECT_FALSE(decode_answer(changed(R"("host":4711)", R"("host":1e300)")));
  EXPECT_FALSE(decode_answer(changed(R"("host":4711)", R"("hose":4711)")));
  EXPECT_FALSE(decode_answer(changed(R"("pid":4712)", R"("pid":"4712")")));
  EXPECT_FALSE(decode_answer(changed(R"("age_ms":1234)", R"("age_ms":9223372036854775808)")));
  EXPECT_FALSE(decode_answer(changed(R"("state":"ready")", R"("state":null)")));
}

TEST(CommandAnswer, LeavesDeepValuesOut) {
  const std::string deep = std::string(100'000, '[') + std::string(100'000, ']');
  EXPECT_FALSE(decode_answer(deep));
  EXPECT_FALSE(decode_answer(changed(R"("group":"shop")", R"("group":)" + deep)));
}

}  // namespace
}  // namespace wsgix::wire

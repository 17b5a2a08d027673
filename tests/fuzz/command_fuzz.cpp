// SPDX-License-Identifier: Apache-2.0
// The same bytes as a command and as an answer: what is accepted is written and read alike.
#include <cstdlib>

#include "wsgix/wire/command.hpp"
#include "wsgix/wire/group_status.hpp"

namespace {

using namespace wsgix::wire;

void require(bool holds) {
  if (!holds) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view line(reinterpret_cast<const char*>(data), size);
  if (const auto command = decode_command(line)) {
    require(decode_command(encode_command(*command)).value() == *command);
  }
  if (const auto answer = decode_answer(line)) {
    require(decode_answer(encode_answer(*answer)).value() == *answer);
  }
  return 0;
}

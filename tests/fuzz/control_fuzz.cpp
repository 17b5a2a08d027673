// SPDX-License-Identifier: Apache-2.0
// Messages between a worker and its supervisor, each a length byte and that many bytes: every one
// is answered with its meaning or a refusal, and none is taken for a part of the next.
#include <sys/socket.h>

#include <cstddef>

#include "fuzz_input.hpp"
#include "wsgix/daemon/control.hpp"
#include "wsgix/os/descriptors.hpp"

namespace {

using namespace wsgix;

void deliver(int from, int to, std::string_view message, bool to_supervisor) {
  if (::send(from, message.data(), message.size(), MSG_NOSIGNAL | MSG_DONTWAIT) < 0) return;
  if (to_supervisor) {
    const auto report = daemon::receive_report(to);
    if (!report) return;
    fuzz::require(message.size() == 2 && report->has_value());
    fuzz::require(static_cast<char>((*report)->report) == message[0] &&
                  static_cast<char>((*report)->cause) == message[1]);
  } else {
    const auto retires = daemon::receive_retire(to);
    fuzz::require(!retires || (*retires && message.size() == 1));
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string_view rest = fuzz::view_of(data, size);
  const auto pair = os::make_message_pair();
  fuzz::require(pair.has_value());
  while (!rest.empty()) {
    const auto first = static_cast<unsigned char>(rest.front());
    rest.remove_prefix(1);
    // An empty message cannot be told from the end of the other side, so nobody sends one.
    const std::string_view message = rest.substr(0, (first & 0x7fU) + 1U);
    rest.remove_prefix(message.size());
    if (message.empty()) break;
    deliver(pair->one.get(), pair->other.get(), message, (first & 0x80U) == 0);
  }
  fuzz::require(daemon::receive_report(pair->other.get()) == std::nullopt);
  return 0;
}

// SPDX-License-Identifier: Apache-2.0
// A message between a worker and its supervisor, behind a byte that says to whom: 'w', a word to
// the worker; anything else, a report to the supervisor. What is understood is told again alike.
#include <sys/socket.h>

#include "fuzz_input.hpp"
#include "wsgix/daemon/control.hpp"
#include "wsgix/os/descriptors.hpp"

namespace {

using namespace wsgix;

void take_report(int one, int other) {
  const auto report = daemon::receive_report(other);
  if (!report) return;
  fuzz::require(report->has_value());
  daemon::send_report(one, **report);
  const auto again = daemon::receive_report(other);
  // Only names of fields that nobody sends make the second one longer, perhaps too long.
  fuzz::require(again.has_value());
  if (*again) fuzz::require(*again == *report);
}

void take_word(int other, std::string_view message) {
  const auto word = daemon::receive_word(other);
  if (!word) return;
  fuzz::require(word->has_value() && message.size() == 1);
  fuzz::require(static_cast<char>(**word) == message.front());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  // An empty message cannot be told from the end of the other side, so nobody sends one.
  if (size < 2) return 0;
  const std::string_view message = fuzz::view_of(data, size).substr(1);
  const auto pair = os::make_message_pair();
  fuzz::require(pair.has_value());
  const int one = pair->one.get();
  const int other = pair->other.get();
  if (::send(one, message.data(), message.size(), MSG_NOSIGNAL | MSG_DONTWAIT) < 0) return 0;
  if (data[0] == 'w') {
    take_word(other, message);
  } else {
    take_report(one, other);
  }
  fuzz::require(daemon::receive_report(other) == std::nullopt);
  return 0;
}

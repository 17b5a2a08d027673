// SPDX-License-Identifier: Apache-2.0
// Frames of every kind, in any order, to both ends of a connection: neither crashes, and what they
// promise holds whatever comes.
#include "fuzz_input.hpp"
#include "wsgix/relay/attempt.hpp"
#include "wsgix/wire/dialogue.hpp"

namespace {

using namespace wsgix;
using namespace wsgix::relay;
using wire::FrameType;

/// Of those that there are: wire::decode_header() lets no other pass.
FrameType frame_of(fuzz::Choices& input) {
  const auto frame = static_cast<FrameType>(input.next() % 32);
  return wire::to_string(frame) != nullptr ? frame : FrameType::Log;
}

void speak_to_the_child(fuzz::Choices& input) {
  constexpr std::uint64_t kRequest = 3;
  const std::uint8_t start = input.next();
  Attempt attempt(kRequest, (start & 1) != 0, static_cast<Upload>((start >> 1) % 3));
  while (!input.is_empty()) {
    const bool had_started = attempt.has_started();
    Step step = kGoOn;
    switch (input.next() % 8) {
      case 0: attempt.wrote(input.next()); break;
      case 1: attempt.body_is_queued(); break;
      case 2: step = attempt.body_failed(static_cast<BodyFailure>(input.next() % 5)); break;
      case 3: step = attempt.client_closed_its_side(); break;
      case 4: step = attempt.connection_lost(Unread::No); break;
      case 5: step = attempt.connection_lost(Unread::Proven); break;
      default: {
        const std::uint64_t request = input.next() % 5;
        const Result<Step> taken = attempt.take(request, frame_of(input));
        if (!taken) return;  // the connection is closed
        step = *taken;
      }
    }
    fuzz::require(!had_started || attempt.has_started());
    fuzz::require(step.kind != Step::Kind::Again || !attempt.has_started());
    fuzz::require(!attempt.leaves_an_idle_connection(0) || attempt.upload() != Upload::Flowing);
    if (step != kGoOn) return;
  }
}

void speak_to_the_worker(fuzz::Choices& input) {
  wire::Intake intake;
  while (!input.is_empty()) {
    const std::uint8_t flags = input.next();
    const std::uint64_t before = intake.request();
    const FrameType frame = frame_of(input);
    if (!intake.take(input.next() % 7, frame)) {
      fuzz::require(intake.request() == before);
      return;
    }
    fuzz::require(intake.due() != wire::Due::Hello);
    fuzz::require(intake.request() == before || frame == FrameType::RequestHead);
    fuzz::require(intake.request() >= before);
    if (frame == FrameType::RequestHead && (flags & 1) != 0) intake.expect_body();
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::Choices input(data, size);
  if (input.is_empty()) return 0;
  if ((input.next() & 1) != 0) {
    speak_to_the_child(input);
  } else {
    speak_to_the_worker(input);
  }
  return 0;
}

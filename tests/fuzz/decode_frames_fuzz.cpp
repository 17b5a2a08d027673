// SPDX-License-Identifier: Apache-2.0
// Every decoder of the wire: whatever decodes must encode back to the same bytes.
#include <cstdlib>
#include <string_view>

#include "wsgix/wire/frame.hpp"
#include "wsgix/wire/messages.hpp"

namespace {

using namespace wsgix;
using namespace wsgix::wire;

template <typename Message>
void must_encode_to(const Message& message, std::string_view payload) {
  Bytes again;
  const Result<void> encoded = encode(message, again);
  // The fuzzer may exceed what fits a frame; a peer cannot.
  if (!encoded && payload.size() > kMaxPayloadBytes) return;
  if (!encoded || again != payload) std::abort();
}

void decode(FrameType type, std::string_view payload) {
  switch (type) {
    case FrameType::Hello:
      if (const auto hello = decode_hello(payload)) must_encode_to(*hello, payload);
      return;
    case FrameType::Welcome:
      if (const auto welcome = decode_welcome(payload)) must_encode_to(*welcome, payload);
      return;
    case FrameType::RequestHead: {
      RequestHead head;
      if (decode_request_head(payload, head)) must_encode_to(head, payload);
      return;
    }
    case FrameType::ResponseHead: {
      ResponseHead head;
      if (decode_response_head(payload, head)) must_encode_to(head, payload);
      return;
    }
    case FrameType::EarlyHints:
      if (const auto hints = decode_early_hints(payload)) must_encode_to(*hints, payload);
      return;
    case FrameType::ResponseFile:
      if (const auto file = decode_response_file(payload)) must_encode_to(*file, payload);
      return;
    case FrameType::ResponseCut:
    case FrameType::Failure:
      if (const auto failure = decode_failure(payload)) must_encode_to(*failure, payload);
      return;
    case FrameType::Log:
      if (const auto record = decode_log_record(payload)) must_encode_to(*record, payload);
      return;
    case FrameType::RequestAbort:
      if (const auto reason = decode_abort(payload)) must_encode_to(*reason, payload);
      return;
    case FrameType::HeadPart:
    case FrameType::RequestBody:
    case FrameType::RequestEnd:
    case FrameType::WantBody:
    case FrameType::ResponseBody:
    case FrameType::ResponseEnd:
    case FrameType::Busy:
    case FrameType::Closing: break;  // bytes, or nothing
  }
  if (const auto fields = decode_fields(payload)) {
    Bytes again;
    if (encode_fields(*fields, again) && again != payload) std::abort();
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  if (size < kHeaderBytes) return 0;
  if (const auto header = decode_header(bytes)) decode(header->type, bytes.substr(kHeaderBytes));
  return 0;
}

// SPDX-License-Identifier: Apache-2.0
// Bytes of a peer as they come out of a socket, cut into pieces: the first byte says how large.
// However they are cut, the frames are those that the bytes say.
#include <fcntl.h>
#include <sys/socket.h>

#include <optional>
#include <string>

#include "fuzz_input.hpp"
#include "wsgix/channel/channel.hpp"

namespace {

using namespace wsgix;

/// The bytes without their first frame; nullopt when it is not there whole, or is none.
std::optional<std::string_view> after_frame(std::string_view bytes, channel::Frame& frame) {
  if (bytes.size() < wire::kHeaderBytes) return std::nullopt;
  const auto header = wire::decode_header(bytes);
  bytes.remove_prefix(wire::kHeaderBytes);
  if (!header || bytes.size() < header->payload_bytes) return std::nullopt;
  frame = {header->type, header->request, bytes.substr(0, header->payload_bytes)};
  return bytes.substr(header->payload_bytes);
}

void take_all(channel::Channel& channel, std::string_view& expected, bool& broken) {
  while (!broken) {
    const auto received = channel.try_receive();
    broken = !received;
    if (broken || !*received) return;
    channel::Frame told{};
    const auto rest = after_frame(expected, told);
    fuzz::require(rest && told.type == (*received)->type && told.payload == (*received)->payload);
    expected = *rest;
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string_view bytes = fuzz::view_of(data, size);
  if (bytes.empty()) return 0;
  const std::size_t piece = 1U + static_cast<unsigned char>(bytes.front());
  bytes.remove_prefix(1);

  int ends[2];
  fuzz::require(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends) == 0);
  const UniqueFd peer(ends[0]);
  channel::Channel channel{UniqueFd(ends[1])};
  std::string_view expected = bytes;
  bool broken = false;
  while (!bytes.empty() && !broken) {
    const std::string_view now = bytes.substr(0, piece);
    if (::send(peer.get(), now.data(), now.size(), MSG_NOSIGNAL) < 0) return 0;
    bytes.remove_prefix(now.size());
    take_all(channel, expected, broken);
  }
  channel::Frame untaken{};
  // Refused bytes are refused where they begin; a whole frame is never left lying.
  fuzz::require(!after_frame(expected, untaken));
  return 0;
}

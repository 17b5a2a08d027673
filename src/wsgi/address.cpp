// SPDX-License-Identifier: Apache-2.0
#include "wsgix/wsgi/address.hpp"

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <limits>
#include <system_error>

namespace wsgix::wsgi {
namespace {

constexpr std::size_t kV4Bytes = 4;
constexpr std::size_t kV6Bytes = 16;
constexpr unsigned kMappedBits = 96;

std::optional<unsigned> parse_number(std::string_view text, int base, std::size_t max_digits,
                                     unsigned max) noexcept {
  if (text.empty() || text.size() > max_digits) return std::nullopt;
  unsigned value = 0;
  const char* const end = text.data() + text.size();
  const auto [stopped, error] = std::from_chars(text.data(), end, value, base);
  if (error != std::errc() || stopped != end || value > max) return std::nullopt;
  return value;
}

struct Octets {
  std::array<std::uint8_t, kV4Bytes> bytes{};
  std::size_t count = 0;
};

/// One to four decimal numbers with dots between them.
std::optional<Octets> parse_octets(std::string_view text) noexcept {
  Octets octets;
  while (octets.count < kV4Bytes) {
    const std::size_t dot = text.find('.');
    const auto number = parse_number(text.substr(0, dot), 10, 3, 255);
    if (!number) return std::nullopt;
    octets.bytes[octets.count++] = static_cast<std::uint8_t>(*number);
    if (dot == std::string_view::npos) return octets;
    text.remove_prefix(dot + 1);
  }
  return std::nullopt;
}

std::optional<Address> parse_v4(std::string_view text) noexcept {
  const auto octets = parse_octets(text);
  if (!octets || octets->count != kV4Bytes) return std::nullopt;
  Address address{.is_v4 = true};
  std::copy(octets->bytes.begin(), octets->bytes.end(), address.bytes.begin());
  return address;
}

/// Groups with ':' between them, the last of which may be an IPv4 address; the bytes they fill
/// from the front of `into`. The empty text is no group.
std::optional<std::size_t> parse_groups(std::string_view text, bool may_end_in_v4,
                                        std::array<std::uint8_t, kV6Bytes>& into) noexcept {
  std::size_t filled = 0;
  if (text.empty()) return filled;
  while (true) {
    const std::size_t colon = text.find(':');
    const std::string_view group = text.substr(0, colon);
    if (filled + 2 > kV6Bytes) return std::nullopt;
    if (colon == std::string_view::npos && may_end_in_v4 && group.find('.') != group.npos) {
      const auto v4 = parse_v4(group);
      if (!v4 || filled + kV4Bytes > kV6Bytes) return std::nullopt;
      std::copy_n(v4->bytes.begin(), kV4Bytes, into.data() + filled);
      return filled + kV4Bytes;
    }
    const auto number = parse_number(group, 16, 4, 0xffff);
    if (!number) return std::nullopt;
    into[filled++] = static_cast<std::uint8_t>(*number >> 8U);
    into[filled++] = static_cast<std::uint8_t>(*number & 0xffU);
    if (colon == std::string_view::npos) return filled;
    text.remove_prefix(colon + 1);
  }
}

std::optional<Address> parse_v6(std::string_view text) noexcept {
  Address address;
  const std::size_t gap = text.find("::");
  if (gap == std::string_view::npos) {
    const auto filled = parse_groups(text, true, address.bytes);
    return filled == kV6Bytes ? std::optional(address) : std::nullopt;
  }
  std::array<std::uint8_t, kV6Bytes> tail{};
  const auto before = parse_groups(text.substr(0, gap), false, address.bytes);
  const auto after = parse_groups(text.substr(gap + 2), true, tail);
  // The gap stands for at least one group.
  if (!before || !after || *before + *after > kV6Bytes - 2) return std::nullopt;
  std::copy_n(tail.begin(), *after, address.bytes.end() - static_cast<std::ptrdiff_t>(*after));
  return address;
}

bool is_mapped(const Address& v6) noexcept {
  return std::all_of(v6.bytes.begin(), v6.bytes.begin() + 10, [](auto b) { return b == 0; }) &&
         v6.bytes[10] == 0xff && v6.bytes[11] == 0xff;
}

Address unmapped(const Address& v6) noexcept {
  Address v4{.is_v4 = true};
  std::copy(v6.bytes.begin() + 12, v6.bytes.end(), v4.bytes.begin());
  return v4;
}

bool is_port(std::string_view text) noexcept {
  return parse_number(text, 10, 5, std::numeric_limits<std::uint16_t>::max()).has_value();
}

/// 255.255.0.0 as 16; a mask with holes is nullopt.
std::optional<unsigned> bits_of_netmask(std::string_view text) noexcept {
  const auto mask = parse_v4(text);
  if (!mask) return std::nullopt;
  unsigned bits = 0;
  bool ended = false;
  for (unsigned i = 0; i < kV4Bytes * 8; ++i) {
    const bool set = (mask->bytes[i / 8] & (0x80U >> (i % 8))) != 0;
    if (set && ended) return std::nullopt;
    if (set) ++bits;
    ended = ended || !set;
  }
  return bits;
}

std::optional<Network> parse_beginning_of_v4(std::string_view text) noexcept {
  if (text.ends_with('.')) text.remove_suffix(1);
  const auto octets = parse_octets(text);
  if (!octets || octets->count == kV4Bytes) return std::nullopt;
  Network network{{.is_v4 = true}, static_cast<unsigned>(octets->count * 8)};
  std::copy(octets->bytes.begin(), octets->bytes.end(), network.base.bytes.begin());
  return network;
}

}  // namespace

std::optional<Address> parse_address(std::string_view text) noexcept {
  if (text.find(':') == std::string_view::npos) return parse_v4(text);
  const auto v6 = parse_v6(text);
  if (v6 && is_mapped(*v6)) return unmapped(*v6);
  return v6;
}

std::optional<std::string_view> numeric_part(std::string_view text) noexcept {
  std::string_view host = text;
  if (text.starts_with('[')) {
    const std::size_t close = text.find(']');
    if (close == std::string_view::npos) return std::nullopt;
    host = text.substr(1, close - 1);
    const std::string_view rest = text.substr(close + 1);
    const bool has_port = rest.starts_with(':') && is_port(rest.substr(1));
    if (host.find(':') == std::string_view::npos || !(rest.empty() || has_port)) {
      return std::nullopt;
    }
  } else if (const std::size_t colon = text.find(':');
             colon != std::string_view::npos && text.find(':', colon + 1) == text.npos) {
    // One colon alone cannot be IPv6.
    if (!is_port(text.substr(colon + 1))) return std::nullopt;
    host = text.substr(0, colon);
  }
  return parse_address(host) ? std::optional(host) : std::nullopt;
}

bool Network::contains(const Address& address) const noexcept {
  if (address.is_v4 != base.is_v4) return false;
  const std::size_t whole = prefix_bits / 8;
  if (!std::equal(base.bytes.begin(), base.bytes.begin() + whole, address.bytes.begin())) {
    return false;
  }
  const unsigned rest = prefix_bits % 8;
  if (rest == 0) return true;
  const unsigned mask = 0xffU << (8U - rest);
  return ((base.bytes[whole] ^ address.bytes[whole]) & mask & 0xffU) == 0;
}

std::optional<Network> parse_network(std::string_view text) noexcept {
  const std::size_t slash = text.find('/');
  const std::string_view written = text.substr(0, slash);
  const auto base = parse_address(written);
  if (slash == std::string_view::npos) {
    if (base) return Network{*base, base->is_v4 ? 32U : 128U};
    return parse_beginning_of_v4(text);
  }
  if (!base) return std::nullopt;
  const std::string_view size = text.substr(slash + 1);
  const bool written_as_v6 = written.find(':') != std::string_view::npos;
  if (!written_as_v6) {
    const auto bits =
        size.find('.') != size.npos ? bits_of_netmask(size) : parse_number(size, 10, 2, 32);
    return bits ? std::optional(Network{*base, *bits}) : std::nullopt;
  }
  const auto bits = parse_number(size, 10, 3, 128);
  if (!bits) return std::nullopt;
  if (!base->is_v4) return Network{*base, *bits};
  // Of a mapped address only the last 32 bits are an address; a shorter prefix is a mistake.
  if (*bits < kMappedBits) return std::nullopt;
  return Network{*base, *bits - kMappedBits};
}

bool contains(const std::vector<Network>& networks, const Address& address) noexcept {
  return std::any_of(networks.begin(), networks.end(),
                     [&](const Network& network) { return network.contains(address); });
}

}  // namespace wsgix::wsgi

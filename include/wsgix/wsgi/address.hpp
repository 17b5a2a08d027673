// SPDX-License-Identifier: Apache-2.0
// wsgi/address.hpp: numeric IP addresses and networks in the texts that headers and directives
// carry. Never asks a resolver.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

namespace wsgix::wsgi {

/// An IPv4-mapped IPv6 address is the IPv4 address that it means.
struct Address {
  bool is_v4 = false;
  std::array<std::uint8_t, 16> bytes{};  ///< network order; of IPv4 the first four

  bool operator==(const Address&) const = default;
};

/// "192.0.2.1", "2001:DB8::1", "::ffff:192.0.2.1"; nothing before or after it.
std::optional<Address> parse_address(std::string_view text) noexcept;

/// The address alone of "192.0.2.1:80", "[2001:db8::1]" and "[2001:db8::1]:80", the text itself
/// when it is a bare address; nullopt when it is anything else, a name for example.
std::optional<std::string_view> numeric_part(std::string_view text) noexcept;

struct Network {
  Address base;
  unsigned prefix_bits = 0;

  bool contains(const Address& address) const noexcept;
};

/// An address, address/bits, IPv4 address/netmask, or the first one to three numbers of an IPv4
/// address ("10.1" is 10.1.0.0/16, as in `Require ip`).
std::optional<Network> parse_network(std::string_view text) noexcept;

bool contains(const std::vector<Network>& networks, const Address& address) noexcept;

}  // namespace wsgix::wsgi

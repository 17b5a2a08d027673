// SPDX-License-Identifier: Apache-2.0
// base/own_descriptors.hpp: which descriptors of this process are the server's and not the
// application's, so that a forked copy can close them.
//
// Every UniqueFd is in it for as long as it owns something. All functions are lock-free and
// async-signal-safe.
#pragma once

#include <cstdint>

namespace wsgix::own_descriptors {

/// Higher numbers, and 0 to 2, are never remembered.
inline constexpr int kMost = 65536;

void add(int fd) noexcept;
/// One that somebody else closes, maybe long before return_borrowed(): recognised by what it refers
/// to, because its number may be a file of the application by then. For sockets. The result is for
/// return_borrowed().
std::uint64_t add_borrowed(int fd) noexcept;
void return_borrowed(int fd, std::uint64_t added) noexcept;
/// Before it is closed: afterwards the number may be anybody's. False: it is the owner's no more,
/// because this is a copy, and its number may be a file of the application.
bool remove(int fd) noexcept;
bool contains(int fd) noexcept;

/// In a copy: closes and forgets them all.
void close_all() noexcept;

}  // namespace wsgix::own_descriptors

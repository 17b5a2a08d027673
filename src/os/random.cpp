// SPDX-License-Identifier: Apache-2.0
#include "wsgix/os/random.hpp"

#include <sys/random.h>
#include <sys/types.h>

#include <cerrno>

namespace wsgix::os {

Result<std::string> random_bytes(std::size_t count) {
  std::string bytes(count, '\0');
  for (std::size_t done = 0; done < count;) {
    const ssize_t got = ::getrandom(bytes.data() + done, count - done, 0);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return failed(ErrorCode::SystemCallFailed, "getrandom", errno);
    done += static_cast<std::size_t>(got);
  }
  return bytes;
}

bool equal_in_constant_time(std::string_view one, std::string_view other) noexcept {
  if (one.size() != other.size()) return false;
  unsigned difference = 0;
  for (std::size_t i = 0; i < one.size(); ++i) {
    difference |= static_cast<unsigned char>(one[i]) ^
                  static_cast<unsigned>(static_cast<unsigned char>(other[i]));
  }
  return difference == 0;
}

}  // namespace wsgix::os

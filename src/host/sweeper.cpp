// SPDX-License-Identifier: Apache-2.0
#include "sweeper.hpp"

#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <string>
#include <vector>

#include "wsgix/os/process_title.hpp"

namespace wsgix::host {
namespace {

constexpr int kDismissal = 3;

/// A byte: the module is loaded again and looks after everything itself. Its end alone says
/// nothing.
bool is_dismissed() {
  char byte = 0;
  return ::read(kDismissal, &byte, 1) > 0;
}

}  // namespace

int sweep(int count, const char* const* paths) {
  const std::vector<std::string> files(paths, paths + count);
  os::set_process_title("wsgix: sweeper");
  std::vector<pollfd> watched = {{kDismissal, POLLIN, 0}};
  for (int i = 0; i < count; ++i) watched.push_back({kDismissal + 1 + i, 0, 0});
  for (int left = count; left > 0;) {
    if (::poll(watched.data(), watched.size(), -1) < 0) continue;
    if (watched[0].revents != 0) {
      if (is_dismissed()) return 0;
      watched[0].fd = -1;
    }
    for (std::size_t i = 1; i < watched.size(); ++i) {
      if (watched[i].fd < 0 || watched[i].revents == 0) continue;
      ::unlink(files[i - 1].c_str());
      watched[i].fd = -1;
      --left;
    }
  }
  return 0;
}

}  // namespace wsgix::host

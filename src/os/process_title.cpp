// SPDX-License-Identifier: Apache-2.0
#include "wsgix/os/process_title.hpp"

#include <sys/prctl.h>

#include <algorithm>
#include <cstring>

namespace wsgix::os {
namespace {

// The kernel gave the process this one area; see src/README.md#globals.
struct {
  char* begin = nullptr;
  std::size_t size = 0;
} title_area;

constexpr std::size_t kShortNameBytes = 16;

}  // namespace

void claim_title_area(int argc, char** argv) noexcept {
  if (argc < 1 || argv[0] == nullptr) return;
  // The arguments lie one after the other; the area ends with the last one that still does.
  char* end = argv[0] + std::strlen(argv[0]) + 1;
  for (int i = 1; i < argc && argv[i] == end; ++i) end += std::strlen(argv[i]) + 1;
  title_area = {argv[0], static_cast<std::size_t>(end - argv[0])};
}

void set_process_title(std::string_view title) noexcept {
  char short_name[kShortNameBytes] = {};
  std::memcpy(short_name, title.data(), std::min(title.size(), sizeof short_name - 1));
  ::prctl(PR_SET_NAME, short_name);

  if (title_area.size < 2) return;
  const std::size_t length = std::min(title.size(), title_area.size - 1);
  std::memcpy(title_area.begin, title.data(), length);
  // Zeros up to the end: the kernel takes another last byte for a title that runs on into environ.
  std::memset(title_area.begin + length, 0, title_area.size - length);
}

}  // namespace wsgix::os

// SPDX-License-Identifier: Apache-2.0
#include "wsgix/os/limits.hpp"

#include <sys/resource.h>

#include <algorithm>
#include <cerrno>

namespace wsgix::os {
namespace {

// glibc gives these an enum as their parameter's type in C++, other systems an int.
auto number_of(Resource resource) {
  switch (resource) {
    case Resource::CpuSeconds: return RLIMIT_CPU;
    case Resource::DataBytes: return RLIMIT_DATA;
    case Resource::AddressSpace: return RLIMIT_AS;
    case Resource::OpenDescriptors: break;
  }
  return RLIMIT_NOFILE;
}

}  // namespace

Result<void> set_limit(Resource resource, std::uint64_t soft, std::uint64_t hard) {
  const rlimit limit{static_cast<rlim_t>(soft), static_cast<rlim_t>(hard)};
  if (::setrlimit(number_of(resource), &limit) == 0) return {};
  return failed(ErrorCode::SettingHadNoEffect, "setrlimit", errno);
}

Result<void> set_priority(int priority) {
  if (::setpriority(PRIO_PROCESS, 0, priority) == 0) return {};
  return failed(ErrorCode::SettingHadNoEffect, "setpriority", errno);
}

Result<void> raise_descriptor_limit(std::uint64_t most) {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) {
    return failed(ErrorCode::SettingHadNoEffect, "getrlimit", errno);
  }
  const std::uint64_t wanted = std::min<std::uint64_t>(limit.rlim_max, most);
  if (wanted <= limit.rlim_cur) return {};
  return set_limit(Resource::OpenDescriptors, wanted, limit.rlim_max);
}

}  // namespace wsgix::os

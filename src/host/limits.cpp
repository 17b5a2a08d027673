// SPDX-License-Identifier: Apache-2.0
#include "limits.hpp"

#include <fmt/format.h>

#include "wsgix/base/clock.hpp"
#include "wsgix/os/limits.hpp"

namespace wsgix::host {
namespace {

/// Idle connections of every httpd thread fit, and a program that closes "all" descriptors one by
/// one still starts at once.
constexpr std::uint64_t kMostDescriptors = 65536;

/// A limit that cannot be had is no reason not to serve.
void warn_if_failed(const config::DaemonSettings& settings, LogSink& log, std::string_view option,
                    const Result<void>& applied) {
  if (applied) return;
  log.write(LogLevel::Warning,
            Error{ErrorCode::SettingHadNoEffect,
                  fmt::format("group '{}': {}: {}", settings.name, option, applied.error().what),
                  applied.error().os_errno,
                  "correct the value, or raise the limits that httpd was started with"});
}

std::uint64_t seconds_of(milliseconds time) {
  return static_cast<std::uint64_t>(std::chrono::ceil<seconds>(time).count());
}

}  // namespace

void apply_host_limits(const config::DaemonSettings& settings, LogSink& log) {
  warn_if_failed(settings, log, "open descriptors", os::raise_descriptor_limit(kMostDescriptors));
  if (settings.cpu_priority == 0) return;
  warn_if_failed(settings, log, fmt::format("cpu-priority={}", settings.cpu_priority),
                 os::set_priority(settings.cpu_priority));
}

void apply_worker_limits(const config::DaemonSettings& settings, LogSink& log) {
  if (settings.cpu_time_limit > milliseconds::zero()) {
    const std::uint64_t soft = seconds_of(settings.cpu_time_limit);
    // The soft limit asks the process to end. Then it has the shutdown time, also of the processor.
    const std::uint64_t hard = soft + 1 + seconds_of(settings.shutdown_timeout);
    warn_if_failed(settings, log, fmt::format("cpu-time-limit={}", soft),
                   os::set_limit(os::Resource::CpuSeconds, soft, hard));
  }
  const struct {
    const char* option;
    os::Resource resource;
    std::int64_t bytes;
  } memory[] = {
      {"memory-limit", os::Resource::DataBytes, settings.memory_limit},
      {"virtual-memory-limit", os::Resource::AddressSpace, settings.virtual_memory_limit},
  };
  for (const auto& [option, resource, bytes] : memory) {
    if (bytes <= 0) continue;
    const auto limit = static_cast<std::uint64_t>(bytes);
    warn_if_failed(settings, log, fmt::format("{}={}", option, bytes),
                   os::set_limit(resource, limit, limit));
  }
}

}  // namespace wsgix::host

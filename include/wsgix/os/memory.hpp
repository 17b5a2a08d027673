// SPDX-License-Identifier: Apache-2.0
// os/memory.hpp: what the kernel says about the memory of processes.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace wsgix::os {

/// Resident bytes; nullopt when there is no such process.
std::optional<std::int64_t> resident_bytes(pid_t pid);

/// Stopped by SIGSTOP or a debugger.
bool is_stopped(pid_t pid);

/// How many processes of this one's control group, or without one of the machine, the kernel has
/// killed for want of memory. nullopt: it does not say.
std::optional<std::int64_t> out_of_memory_kills();

/// The number after "<name> " at the beginning of a line, as in memory.events.
std::optional<std::int64_t> counter_in(std::string_view text, std::string_view name);
/// Which file of the control groups that /proc/self/cgroup lists counts such kills; empty: none.
std::string out_of_memory_counter(std::string_view groups);

}  // namespace wsgix::os

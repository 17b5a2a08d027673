// SPDX-License-Identifier: Apache-2.0
#include "wsgix/config/daemon_settings.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <optional>

#include "suggestion.hpp"
#include "values.hpp"
#include "wsgix/config/paths.hpp"
#include "wsgix/config/warm_up.hpp"
#include "wsgix/wsgi/environ.hpp"

namespace wsgix::config {
namespace {

using S = DaemonSettings;
/// What is used instead of the value as it is written, for a warning; empty: just that value.
using Applied = Result<std::string>;
using Setter = Applied (*)(S&, std::string_view name, std::string_view value);

Failed refused(std::string_view name, std::string_view value, std::string_view accepted) {
  return failed(ErrorCode::BadDirective,
                fmt::format("WSGIDaemonProcess: {}={} is not {}", name, value, accepted));
}

// What mod_wsgi would have started with starts here too, with the nearest value that can be:
// docs/decisions/0014-old-values.md has the rule.

/// Beyond a bound the bound is used. `Most` is what can be; mod_wsgi may know no bound at all.
template <int S::*Member, int Least, int Most>
Applied capped_number(S& settings, std::string_view name, std::string_view value) {
  const auto number = digits(value);
  if (!number || *number < Least) {
    return refused(name, value, fmt::format("a whole number from {} to {}", Least, Most));
  }
  settings.*Member = static_cast<int>(std::min<long long>(*number, Most));
  if (*number <= Most) return {};
  return fmt::format("{} is used, the most that can be", Most);
}

template <int S::*Member, int Least, int Most>
Applied whole_number(S& settings, std::string_view name, std::string_view value) {
  const auto number = digits(value);
  if (!number || *number <= Most) return capped_number<Member, Least, Most>(settings, name, value);
  return refused(name, value, fmt::format("a whole number from {} to {}", Least, Most));
}

Applied processes(S& settings, std::string_view name, std::string_view value) {
  Applied set = capped_number<&S::processes, 1, 1024>(settings, name, value);
  if (set) settings.processes_given = true;
  return set;
}

/// A time, and whether somebody may have meant another one.
struct Time {
  milliseconds span;
  std::string note;
};

Result<Time> accepted_time(std::string_view name, std::string_view value) {
  const auto span = span_of_time(value);
  if (!span && is_number_with_time_unit(value)) {
    return Time{kLongestTime, "one year is used, the most that can be"};
  }
  if (!span) {
    return refused(name, value, "a time from 0 to one year, such as 30, 30s, 500ms, 2min or 1h");
  }
  if (!value.ends_with('m')) return Time{*span, {}};
  return Time{*span, "these are minutes; mod_wsgi took the number alone, as seconds"};
}

template <auto Member>
Applied timeout(S& settings, std::string_view name, std::string_view value) {
  const auto time = accepted_time(name, value);
  if (!time) return failed(time);
  settings.*Member = time->span;
  return time->note;
}

/// Zero: as if it were not given.
template <std::optional<milliseconds> S::*Member>
Applied optional_timeout(S& settings, std::string_view name, std::string_view value) {
  const auto time = accepted_time(name, value);
  if (!time) return failed(time);
  settings.*Member =
      time->span == milliseconds::zero() ? std::nullopt : std::optional<milliseconds>(time->span);
  return time->note;
}

/// For what the kernel counts in seconds.
template <milliseconds S::*Member>
Applied whole_seconds(S& settings, std::string_view name, std::string_view value) {
  const auto time = accepted_time(name, value);
  if (!time) return failed(time);
  if (time->span % seconds(1) != milliseconds::zero()) {
    return refused(name, value, "a whole number of seconds");
  }
  settings.*Member = time->span;
  return time->note;
}

Result<bool> on_or_off(std::string_view name, std::string_view value) {
  if (const auto on = wsgi::parse_flag(value)) return *on;
  return refused(name, value, "On or Off");
}

template <bool S::*Member>
Applied flag(S& settings, std::string_view name, std::string_view value) {
  const Result<bool> on = on_or_off(name, value);
  if (!on) return failed(on);
  settings.*Member = *on;
  return {};
}

template <std::int64_t S::*Member>
Applied size(S& settings, std::string_view name, std::string_view value) {
  const auto bytes = parse_size(value);
  if (!bytes) {
    return refused(name, value, "a size from 0 to 1024g, such as 65536, 64k, 8m or 1g");
  }
  settings.*Member = *bytes;
  return {};
}

template <std::int64_t S::*Member>
Applied capped_size(S& settings, std::string_view name, std::string_view value) {
  if (parse_size(value) || !is_number_with_size_unit(value)) {
    return size<Member>(settings, name, value);
  }
  settings.*Member = kMostBytes;
  return fmt::format("{} is used, the most that can be", in_largest_unit(kMostBytes));
}

template <std::int64_t S::*Member, std::int64_t Least, std::int64_t Most>
Applied bounded_size(S& settings, std::string_view name, std::string_view value) {
  const auto bytes = parse_size(value);
  if (!bytes || *bytes < Least || *bytes > Most) {
    return refused(
        name, value,
        fmt::format("a size from {} to {}", in_largest_unit(Least), in_largest_unit(Most)));
  }
  settings.*Member = *bytes;
  return {};
}

/// Zero: not given.
Result<std::int64_t> zero_or_size(std::string_view name, std::string_view value,
                                  std::int64_t least) {
  const auto bytes = parse_size(value);
  if (bytes && (*bytes == 0 || *bytes >= least)) return *bytes;
  return refused(name, value, fmt::format("0 or a size from {}", in_largest_unit(least)));
}

template <std::int64_t S::*Member>
Applied socket_buffer(S& settings, std::string_view name, std::string_view value) {
  const auto bytes = zero_or_size(name, value, 512);
  if (!bytes) return failed(bytes);
  settings.*Member = *bytes;
  return {};
}

Applied stack_size(S& settings, std::string_view name, std::string_view value) {
  constexpr std::int64_t kLeast = 64 << 10;
  constexpr std::int64_t kMost = 1 << 30;
  const auto bytes = parse_size(value);
  if (!bytes || *bytes == 0) return refused(name, value, "a size such as 256k");
  settings.stack_size = std::clamp(*bytes, kLeast, kMost);
  if (settings.stack_size == *bytes) return {};
  return fmt::format("{} is used, the {} that can be", in_largest_unit(settings.stack_size),
                     *bytes < kLeast ? "least" : "most");
}

Applied memory_recycle(S& settings, std::string_view name, std::string_view value) {
  const std::size_t comma = std::min(value.find(','), value.size());
  const auto soft = parse_size(value.substr(0, comma));
  const bool has_hard = comma < value.size();
  const auto hard = has_hard ? parse_size(value.substr(comma + 1)) : std::optional<std::int64_t>(0);
  if (!soft || !hard || (has_hard && *hard <= *soft)) {
    return refused(name, value,
                   "SOFT or SOFT,HARD with sizes such as 512m or 2g, HARD larger than SOFT");
  }
  settings.memory_recycle = {*soft, *hard};
  return {};
}

/// setpriority(2) takes the nearest as well.
Applied cpu_priority(S& settings, std::string_view name, std::string_view value) {
  const auto number = parse_signed(value);
  if (!number) return refused(name, value, "a whole number from -20 to 19");
  settings.cpu_priority = static_cast<int>(std::clamp<std::int64_t>(*number, -20, 19));
  if (settings.cpu_priority == *number) return {};
  return fmt::format("{} is used, the nearest that can be", settings.cpu_priority);
}

Applied switch_interval(S& settings, std::string_view name, std::string_view value) {
  const auto number = positive_number(value);
  if (!number) return refused(name, value, "a positive number of seconds, such as 0.005");
  settings.switch_interval = *number;
  return {};
}

template <std::string S::*Member>
Applied text(S& settings, std::string_view name, std::string_view value) {
  if (value.empty()) return refused(name, value, "a text; it is empty");
  settings.*Member = value;
  return {};
}

constexpr const char* kAsIfAbsent = "it is as if the option were not there";

template <std::string S::*Member>
Applied optional_text(S& settings, std::string_view, std::string_view value) {
  settings.*Member = value;
  return value.empty() ? kAsIfAbsent : "";
}

Applied warmup(S& settings, std::string_view name, std::string_view value) {
  if (!warm_up_target(value)) {
    return refused(name, value,
                   "a path such as /health?deep=1 or a URL such as http://shop.example/health, "
                   "without a percent sign in the path");
  }
  settings.warmup = value;
  return {};
}

template <std::string S::*Member>
Applied absolute_path(S& settings, std::string_view name, std::string_view value) {
  if (!value.starts_with('/')) return refused(name, value, "an absolute path");
  settings.*Member = value;
  return {};
}

/// One spelling for one folder; "/" is no jail.
Applied jail(S& settings, std::string_view name, std::string_view value) {
  const std::optional<std::string> folder = normal_path(value);
  if (!folder) return refused(name, value, "an absolute path without ..");
  settings.chroot = *folder == "/" ? std::string() : *folder;
  return {};
}

/// Both ask for one owner of the script.
template <std::string S::*Member, std::string S::*Other>
Applied script_owner(S& settings, std::string_view name, std::string_view value) {
  if (!(settings.*Other).empty()) {
    return failed(ErrorCode::BadDirective,
                  "WSGIDaemonProcess: script-user= and script-group= exclude each other");
  }
  return text<Member>(settings, name, value);
}

Applied supplementary_groups(S& settings, std::string_view, std::string_view value) {
  settings.supplementary_groups = value;
  settings.supplementary_groups_given = true;
  return value.empty() ? "the processes have no group but group=" : "";
}

Applied umask_bits(S& settings, std::string_view name, std::string_view value) {
  const auto bits = digits(value, 8);
  if (!bits) return refused(name, value, "an octal number from 0 to 0777");
  settings.umask = static_cast<int>(*bits & 0777);
  if (*bits <= 0777) return {};
  return fmt::format("0{:o} is used: a umask has no more bits", settings.umask);
}

Applied python_path(S& settings, std::string_view, std::string_view value) {
  settings.python_path = split_path(value);
  return settings.python_path.empty() ? kAsIfAbsent : "";
}

// Names that tune what this transport does not do that way: they are checked, and a value that
// asks for something gets a word about what decides here.

constexpr const char* kHeadLimitDecides =
    "it has no effect: a header may have any length within head-limit=";
constexpr const char* kBlocksFlowAtOnce =
    "it has no effect: what a worker has sent goes to the client at once, and response-buffering= "
    "bounds what waits for a slow one";

Applied header_buffer_size(S&, std::string_view name, std::string_view value) {
  const auto bytes = zero_or_size(name, value, 8192);
  if (!bytes) return failed(bytes);
  return *bytes == 0 ? "" : kHeadLimitDecides;
}

Applied response_buffer_size(S&, std::string_view name, std::string_view value) {
  const auto bytes = zero_or_size(name, value, 65536);
  if (!bytes) return failed(bytes);
  return *bytes == 0 ? "" : kBlocksFlowAtOnce;
}

Applied response_flush_delay(S&, std::string_view name, std::string_view value) {
  const auto number = digits(value);
  if (!number) return refused(name, value, "a whole number of milliseconds");
  return *number == 0 ? "" : kBlocksFlowAtOnce;
}

Applied server_metrics(S&, std::string_view name, std::string_view value) {
  const Result<bool> on = on_or_off(name, value);
  if (!on) return failed(on);
  return *on ? "it has no effect: this version has no mod_wsgi.server_metrics()" : "";
}

// The whole grammar of the directive. docs/directives/WSGIDaemonProcess.md lists the same names.
// clang-format off
constexpr struct { std::string_view name; Setter set; } kOptions[] = {
    {"processes",            processes},
    {"threads",              capped_number<&S::threads, 0, 4096>},
    {"display-name",         optional_text<&S::display_name>},
    {"maximum-requests",     capped_number<&S::maximum_requests, 0, 1'000'000'000>},
    {"listen-backlog",       capped_number<&S::listen_backlog, 0, 65535>},
    {"user",                 text<&S::user>},
    {"group",                text<&S::group>},
    {"supplementary-groups", supplementary_groups},
    {"umask",                umask_bits},
    {"home",                 absolute_path<&S::home>},
    {"lang",                 optional_text<&S::lang>},
    {"locale",               optional_text<&S::locale>},
    {"socket-user",          text<&S::socket_user>},
    {"python-home",          text<&S::python_home>},
    {"python-path",          python_path},
    {"python-eggs",          text<&S::python_eggs>},
    {"switch-interval",      switch_interval},
    {"chroot",               jail},
    {"script-user",          script_owner<&S::script_user, &S::script_group>},
    {"script-group",         script_owner<&S::script_group, &S::script_user>},
    {"startup-timeout",      timeout<&S::startup_timeout>},
    {"graceful-timeout",     timeout<&S::graceful_timeout>},
    {"eviction-timeout",     optional_timeout<&S::eviction_timeout>},
    {"shutdown-timeout",     timeout<&S::shutdown_timeout>},
    {"connect-timeout",      timeout<&S::connect_timeout>},
    {"queue-timeout",        timeout<&S::queue_timeout>},
    {"queue-limit",          whole_number<&S::queue_limit, 0, 65535>},
    {"socket-timeout",       timeout<&S::socket_timeout>},
    {"response-socket-timeout", timeout<&S::response_socket_timeout>},
    {"request-timeout",      timeout<&S::request_timeout>},
    {"interrupt-timeout",    timeout<&S::interrupt_timeout>},
    {"request-deadline",     timeout<&S::request_deadline>},
    {"interrupt-on-disconnect", flag<&S::interrupt_on_disconnect>},
    {"inactivity-timeout",   timeout<&S::inactivity_timeout>},
    {"deadlock-timeout",     timeout<&S::deadlock_timeout>},
    {"restart-interval",     timeout<&S::restart_interval>},
    {"warmup",               warmup},
    {"cpu-time-limit",       whole_seconds<&S::cpu_time_limit>},
    {"cpu-priority",         cpu_priority},
    {"memory-limit",         capped_size<&S::memory_limit>},
    {"virtual-memory-limit", capped_size<&S::virtual_memory_limit>},
    {"memory-recycle",       memory_recycle},
    {"stack-size",           stack_size},
    {"send-buffer-size",     socket_buffer<&S::send_buffer_size>},
    {"receive-buffer-size",  socket_buffer<&S::receive_buffer_size>},
    {"header-buffer-size",   header_buffer_size},
    {"response-buffer-size", response_buffer_size},
    {"response-flush-delay", response_flush_delay},
    {"server-metrics",       server_metrics},
    {"request-buffering",    size<&S::request_buffering_bytes>},
    {"response-buffering",   size<&S::response_buffering_bytes>},
    {"interpreter-limit",    whole_number<&S::interpreter_limit, 1, kMostInterpreters>},
    {"head-limit",           bounded_size<&S::head_limit, 64 << 10, 256 << 20>},
};
// clang-format on

}  // namespace

Result<std::string> set_option(DaemonSettings& settings, std::string_view name,
                               std::string_view value) {
  for (const auto& option : kOptions) {
    if (option.name == name) return option.set(settings, name, value);
  }
  const std::string_view meant = closest(name, option_names());
  return failed(ErrorCode::UnknownOption, fmt::format("WSGIDaemonProcess has no option '{}'", name),
                0, meant.empty() ? std::string() : fmt::format("did you mean {}=?", meant));
}

milliseconds request_time_limit(const DaemonSettings& settings) {
  const double factor = 1 + std::log(std::max(settings.threads, 1));
  return milliseconds(std::llround(static_cast<double>(settings.request_timeout.count()) * factor));
}

std::vector<std::string_view> option_names() {
  std::vector<std::string_view> names;
  for (const auto& option : kOptions) names.push_back(option.name);
  return names;
}

void remove_request_limits(DaemonSettings& settings) {
  settings.maximum_requests = 0;
  settings.startup_timeout = settings.request_timeout = settings.request_deadline = {};
  settings.inactivity_timeout = settings.deadlock_timeout = settings.restart_interval = {};
}

std::string title(const DaemonSettings& settings) {
  if (settings.display_name.empty()) return fmt::format("wsgix: {} worker", settings.name);
  constexpr std::string_view kGroup = "%{GROUP}";
  std::string shown = settings.display_name;
  for (std::size_t at = shown.find(kGroup); at != std::string::npos;) {
    const std::string name = fmt::format("(wsgi:{})", settings.name);
    shown.replace(at, kGroup.size(), name);
    at = shown.find(kGroup, at + name.size());
  }
  return shown;
}

}  // namespace wsgix::config

// SPDX-License-Identifier: Apache-2.0
#include "wsgix/config/daemon_settings.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <limits>
#include <optional>
#include <system_error>

#include "suggestion.hpp"
#include "wsgix/config/paths.hpp"
#include "wsgix/config/warm_up.hpp"

namespace wsgix::config {
namespace {

using S = DaemonSettings;
using Setter = Result<void> (*)(S&, std::string_view name, std::string_view value);

constexpr milliseconds kLongest = std::chrono::hours(365 * 24);

Failed refused(std::string_view name, std::string_view value, std::string_view accepted) {
  return failed(ErrorCode::BadDirective,
                fmt::format("WSGIDaemonProcess: {}={} is not {}", name, value, accepted));
}

/// The whole text as a number, or nothing: no sign, no blanks, nothing behind it.
std::optional<long long> digits(std::string_view text, int base = 10) {
  if (text.empty() || text.front() == '-') return std::nullopt;
  long long number = 0;
  const char* const last = text.data() + text.size();
  const auto [end, failure] = std::from_chars(text.data(), last, number, base);
  if (failure != std::errc{} || end != last) return std::nullopt;
  return number;
}

template <int S::*Member, int Least, int Most>
Result<void> whole_number(S& settings, std::string_view name, std::string_view value) {
  const auto number = digits(value);
  if (!number || *number < Least || *number > Most) {
    return refused(name, value, fmt::format("a whole number from {} to {}", Least, Most));
  }
  settings.*Member = static_cast<int>(*number);
  return {};
}

Result<void> processes(S& settings, std::string_view name, std::string_view value) {
  const auto set = whole_number<&S::processes, 1, 1024>(settings, name, value);
  if (set) settings.processes_given = true;
  return set;
}

/// Milliseconds, as the units below make them.
constexpr struct {
  std::string_view name;
  long long milliseconds;
} kUnits[] = {{"ms", 1}, {"s", 1000}, {"min", 60'000}, {"h", 3'600'000}, {"", 1000}};

Result<milliseconds> accepted_time(std::string_view name, std::string_view value) {
  const auto length = span_of_time(value);
  if (length) return *length;
  return refused(name, value, "a time from 0 to one year, such as 30, 30s, 500ms, 2min or 1h");
}

template <auto Member>
Result<void> timeout(S& settings, std::string_view name, std::string_view value) {
  const auto length = accepted_time(name, value);
  if (!length) return failed(length);
  settings.*Member = *length;
  return {};
}

/// Zero: as if it were not given.
template <std::optional<milliseconds> S::*Member>
Result<void> optional_timeout(S& settings, std::string_view name, std::string_view value) {
  const auto length = accepted_time(name, value);
  if (!length) return failed(length);
  settings.*Member =
      *length == milliseconds::zero() ? std::nullopt : std::optional<milliseconds>(*length);
  return {};
}

/// For what the kernel counts in seconds.
template <milliseconds S::*Member>
Result<void> whole_seconds(S& settings, std::string_view name, std::string_view value) {
  const auto length = accepted_time(name, value);
  if (!length) return failed(length);
  if (*length % seconds(1) != milliseconds::zero()) {
    return refused(name, value, "a whole number of seconds");
  }
  settings.*Member = *length;
  return {};
}

template <bool S::*Member>
Result<void> flag(S& settings, std::string_view name, std::string_view value) {
  if (value != "On" && value != "on" && value != "Off" && value != "off") {
    return refused(name, value, "On or Off");
  }
  settings.*Member = value == "On" || value == "on";
  return {};
}

constexpr std::int64_t kMostBytes = std::int64_t{1} << 40;

constexpr struct {
  std::string_view name;
  std::int64_t bytes;
} kSizeUnits[] = {{"", 1}, {"k", 1 << 10}, {"m", 1 << 20}, {"g", 1 << 30}};

}  // namespace

std::optional<std::int64_t> parse_number(std::string_view value) { return digits(value); }

std::vector<std::string> split_path(std::string_view value) {
  std::vector<std::string> folders;
  while (!value.empty()) {
    const std::size_t colon = std::min(value.find(':'), value.size());
    if (colon != 0) folders.emplace_back(value.substr(0, colon));
    value.remove_prefix(std::min(colon + 1, value.size()));
  }
  return folders;
}

std::optional<std::int64_t> parse_size(std::string_view value) {
  const std::size_t unit_at = std::min(value.find_first_not_of("0123456789"), value.size());
  const auto number = digits(value.substr(0, unit_at));
  if (!number) return std::nullopt;
  for (const auto& unit : kSizeUnits) {
    if (unit.name != value.substr(unit_at)) continue;
    if (*number > kMostBytes / unit.bytes) return std::nullopt;
    return *number * unit.bytes;
  }
  return std::nullopt;
}

namespace {

template <std::int64_t S::*Member>
Result<void> size(S& settings, std::string_view name, std::string_view value) {
  const auto bytes = parse_size(value);
  if (!bytes) {
    return refused(name, value, "a size from 0 to 1024g, such as 65536, 64k, 8m or 1g");
  }
  settings.*Member = *bytes;
  return {};
}

std::string in_largest_unit(std::int64_t bytes) {
  std::string text = fmt::format("{}", bytes);
  for (const auto& unit : kSizeUnits) {
    if (bytes % unit.bytes == 0) text = fmt::format("{}{}", bytes / unit.bytes, unit.name);
  }
  return text;
}

template <std::int64_t S::*Member, std::int64_t Least, std::int64_t Most>
Result<void> bounded_size(S& settings, std::string_view name, std::string_view value) {
  const auto bytes = parse_size(value);
  if (!bytes || *bytes < Least || *bytes > Most) {
    return refused(
        name, value,
        fmt::format("a size from {} to {}", in_largest_unit(Least), in_largest_unit(Most)));
  }
  settings.*Member = *bytes;
  return {};
}

Result<void> memory_recycle(S& settings, std::string_view name, std::string_view value) {
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

Result<void> cpu_priority(S& settings, std::string_view name, std::string_view value) {
  const bool is_negative = value.starts_with('-');
  const auto number = digits(is_negative ? value.substr(1) : value);
  const long long priority = number ? (is_negative ? -*number : *number) : 20;
  if (priority < -20 || priority > 19) {
    return refused(name, value, "a whole number from -20 to 19");
  }
  settings.cpu_priority = static_cast<int>(priority);
  return {};
}

template <std::string S::*Member>
Result<void> text(S& settings, std::string_view name, std::string_view value) {
  if (value.empty()) return refused(name, value, "a text; it is empty");
  settings.*Member = value;
  return {};
}

Result<void> warmup(S& settings, std::string_view name, std::string_view value) {
  if (!warm_up_target(value)) {
    return refused(name, value,
                   "a path such as /health?deep=1 or a URL such as http://shop.example/health, "
                   "without a percent sign in the path");
  }
  settings.warmup = value;
  return {};
}

template <std::string S::*Member>
Result<void> absolute_path(S& settings, std::string_view name, std::string_view value) {
  if (!value.starts_with('/')) return refused(name, value, "an absolute path");
  settings.*Member = value;
  return {};
}

/// One spelling for one folder; "/" is no jail.
Result<void> jail(S& settings, std::string_view name, std::string_view value) {
  const std::optional<std::string> folder = normal_path(value);
  if (!folder) return refused(name, value, "an absolute path without ..");
  settings.chroot = *folder == "/" ? std::string() : *folder;
  return {};
}

/// Both ask for one owner of the script.
template <std::string S::*Member, std::string S::*Other>
Result<void> script_owner(S& settings, std::string_view name, std::string_view value) {
  if (!(settings.*Other).empty()) {
    return failed(ErrorCode::BadDirective,
                  "WSGIDaemonProcess: script-user= and script-group= exclude each other");
  }
  return text<Member>(settings, name, value);
}

Result<void> supplementary_groups(S& settings, std::string_view name, std::string_view value) {
  const auto set = text<&S::supplementary_groups>(settings, name, value);
  if (set) settings.supplementary_groups_given = true;
  return set;
}

Result<void> umask_bits(S& settings, std::string_view name, std::string_view value) {
  const auto bits = digits(value, 8);
  if (!bits || *bits > 0777) return refused(name, value, "an octal number from 0 to 0777");
  settings.umask = static_cast<int>(*bits);
  return {};
}

Result<void> python_path(S& settings, std::string_view name, std::string_view value) {
  std::vector<std::string> folders = split_path(value);
  if (folders.empty()) return refused(name, value, "a list of directories; it is empty");
  settings.python_path = std::move(folders);
  return {};
}

// The whole grammar of the directive. docs/directives/WSGIDaemonProcess.md lists the same names.
// clang-format off
constexpr struct { std::string_view name; Setter set; } kOptions[] = {
    {"processes",            processes},
    {"threads",              whole_number<&S::threads, 0, 4096>},
    {"display-name",         text<&S::display_name>},
    {"maximum-requests",     whole_number<&S::maximum_requests, 0, 1'000'000'000>},
    {"listen-backlog",       whole_number<&S::listen_backlog, 0, 65535>},
    {"user",                 text<&S::user>},
    {"group",                text<&S::group>},
    {"supplementary-groups", supplementary_groups},
    {"umask",                umask_bits},
    {"home",                 absolute_path<&S::home>},
    {"lang",                 text<&S::lang>},
    {"locale",               text<&S::locale>},
    {"socket-user",          text<&S::socket_user>},
    {"python-home",          absolute_path<&S::python_home>},
    {"python-path",          python_path},
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
    {"memory-limit",         size<&S::memory_limit>},
    {"virtual-memory-limit", size<&S::virtual_memory_limit>},
    {"memory-recycle",       memory_recycle},
    {"stack-size",           bounded_size<&S::stack_size, 64 << 10, 1 << 30>},
    {"request-buffering",    size<&S::request_buffering_bytes>},
    {"response-buffering",   size<&S::response_buffering_bytes>},
    {"interpreter-limit",    whole_number<&S::interpreter_limit, 1, kMostInterpreters>},
    {"head-limit",           bounded_size<&S::head_limit, 64 << 10, 256 << 20>},
};

// Names of mod_wsgi that this version does not have yet.
constexpr std::string_view kLater[] = {
    "server-metrics", "python-eggs", "switch-interval",
    "send-buffer-size", "receive-buffer-size", "header-buffer-size", "response-buffer-size",
    "response-flush-delay",
};
// clang-format on

}  // namespace

std::optional<milliseconds> span_of_time(std::string_view value) {
  const std::size_t unit_at = std::min(value.find_first_not_of("0123456789"), value.size());
  const auto number = digits(value.substr(0, unit_at));
  if (!number) return std::nullopt;
  for (const auto& unit : kUnits) {
    if (unit.name != value.substr(unit_at)) continue;
    if (*number > kLongest.count() / unit.milliseconds) return std::nullopt;
    return milliseconds(*number * unit.milliseconds);
  }
  return std::nullopt;
}

Result<void> set_option(DaemonSettings& settings, std::string_view name, std::string_view value) {
  for (const auto& option : kOptions) {
    if (option.name == name) return option.set(settings, name, value);
  }
  for (const std::string_view later : kLater) {
    if (later != name) continue;
    return failed(
        ErrorCode::OptionNotAvailable,
        fmt::format("WSGIDaemonProcess: this version does not have the option {}=", name));
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

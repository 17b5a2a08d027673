// SPDX-License-Identifier: Apache-2.0
// config/host_fields.cpp: the settings of a host as a list of names and values, and back.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstring>
#include <system_error>

#include "wsgix/config/daemon_settings.hpp"

namespace wsgix::config {
namespace {

// ---- one value as text and back; every type of member has its pair here ----

void put(std::string& out, const std::string& value) { out = value; }
void put(std::string& out, bool value) { out = value ? "1" : "0"; }
void put(std::string& out, int value) { out = std::to_string(value); }
void put(std::string& out, std::int64_t value) { out = std::to_string(value); }
void put(std::string& out, std::uint32_t value) { out = std::to_string(value); }
void put(std::string& out, milliseconds value) { out = fmt::format("{}ms", value.count()); }
void put(std::string& out, double value) { out = fmt::format("{}", value); }
void put(std::string& out, std::optional<milliseconds> value) {
  if (value) put(out, *value);
}
void put(std::string& out, std::optional<std::uint32_t> value) {
  if (value) put(out, *value);
}
void put(std::string& out, const MemoryRecycle& value) {
  out = fmt::format("{},{}", value.soft, value.hard);
}

template <typename Number>
bool get_number(std::string_view text, Number& value) {
  const char* const last = text.data() + text.size();
  const auto [end, failure] = std::from_chars(text.data(), last, value);
  return !text.empty() && failure == std::errc{} && end == last;
}
bool get(std::string_view text, std::string& value) {
  value = text;
  return true;
}
bool get(std::string_view text, bool& value) {
  value = text == "1";
  return text == "0" || text == "1";
}
bool get(std::string_view text, int& value) { return get_number(text, value); }
bool get(std::string_view text, std::int64_t& value) { return get_number(text, value); }
bool get(std::string_view text, std::uint32_t& value) { return get_number(text, value); }
bool get(std::string_view text, double& value) { return get_number(text, value); }
bool get(std::string_view text, milliseconds& value) {
  milliseconds::rep count = 0;
  const bool is_number = text.ends_with("ms") && get_number(text.substr(0, text.size() - 2), count);
  value = milliseconds(count);
  return is_number;
}
bool get(std::string_view text, std::optional<milliseconds>& value) {
  value.reset();
  return text.empty() || get(text, value.emplace());
}
bool get(std::string_view text, std::optional<std::uint32_t>& value) {
  value.reset();
  return text.empty() || get(text, value.emplace());
}
bool get(std::string_view text, MemoryRecycle& value) {
  const std::size_t comma = text.find(',');
  return comma != std::string_view::npos && get_number(text.substr(0, comma), value.soft) &&
         get_number(text.substr(comma + 1), value.hard);
}

// Lists: every item is its length, a colon and its text, so that an item may hold any byte.
void put_item(std::string& out, std::string_view item) {
  out += fmt::format("{}:", item.size());
  out += item;
}
bool get_item(std::string_view& text, std::string& item) {
  const std::size_t colon = text.find(':');
  std::size_t size = 0;
  if (colon == std::string_view::npos || !get_number(text.substr(0, colon), size)) return false;
  text.remove_prefix(colon + 1);
  if (size > text.size()) return false;
  item = text.substr(0, size);
  text.remove_prefix(size);
  return true;
}

void put(std::string& out, const std::vector<std::string>& items) {
  for (const std::string& item : items) put_item(out, item);
}
bool get(std::string_view text, std::vector<std::string>& items) {
  items.clear();
  while (!text.empty()) {
    if (!get_item(text, items.emplace_back())) return false;
  }
  return true;
}
void put(std::string& out, const std::vector<std::uint32_t>& items) {
  for (const std::uint32_t item : items) put_item(out, std::to_string(item));
}
bool get(std::string_view text, std::vector<std::uint32_t>& items) {
  items.clear();
  std::string item;
  while (!text.empty()) {
    if (!get_item(text, item) || !get_number(item, items.emplace_back())) return false;
  }
  return true;
}
void put(std::string& out, const std::vector<wsgi::OwnedScriptRef>& items) {
  for (const wsgi::OwnedScriptRef& item : items) {
    std::string bytes;
    wsgi::encode(item, bytes);
    put_item(out, bytes);
  }
}
bool get(std::string_view text, std::vector<wsgi::OwnedScriptRef>& items) {
  items.clear();
  std::string bytes;
  while (!text.empty()) {
    if (!get_item(text, bytes)) return false;
    const auto script = wsgi::decode_script(bytes);
    if (!script) return false;
    items.push_back(wsgi::owned(*script));
  }
  return true;
}
void put(std::string& out, const std::uint32_t (&version)[3]) {
  out = fmt::format("{}.{}.{}", version[0], version[1], version[2]);
}
bool get(std::string_view text, std::uint32_t (&version)[3]) {
  for (std::size_t i = 0; i < 3; ++i) {
    const std::size_t end = i < 2 ? text.find('.') : text.size();
    if (end == std::string_view::npos || !get_number(text.substr(0, end), version[i])) return false;
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return true;
}

// ---- the table ----

using H = HostSettings;
using D = DaemonSettings;

struct Row {
  std::string_view name;
  void (*write)(const H&, std::string& out);
  bool (*read)(H&, std::string_view text);
};

template <auto Member>
constexpr Row daemon(std::string_view name) {
  return {name, [](const H& settings, std::string& out) { put(out, settings.daemon.*Member); },
          [](H& settings, std::string_view text) { return get(text, settings.daemon.*Member); }};
}
template <auto Member>
constexpr Row host(std::string_view name) {
  return {name, [](const H& settings, std::string& out) { put(out, settings.*Member); },
          [](H& settings, std::string_view text) { return get(text, settings.*Member); }};
}

// clang-format off
constexpr Row kRows[] = {
    daemon<&D::name>("name"),
    daemon<&D::processes>("processes"),
    daemon<&D::processes_given>("processes_given"),
    daemon<&D::threads>("threads"),
    daemon<&D::display_name>("display_name"),
    daemon<&D::maximum_requests>("maximum_requests"),
    daemon<&D::listen_backlog>("listen_backlog"),
    daemon<&D::user>("user"),
    daemon<&D::group>("group"),
    daemon<&D::supplementary_groups>("supplementary_groups"),
    daemon<&D::supplementary_groups_given>("supplementary_groups_given"),
    daemon<&D::umask>("umask"),
    daemon<&D::home>("home"),
    daemon<&D::lang>("lang"),
    daemon<&D::locale>("locale"),
    daemon<&D::socket_user>("socket_user"),
    daemon<&D::python_home>("python_home"),
    daemon<&D::python_path>("python_path"),
    daemon<&D::python_eggs>("python_eggs"),
    daemon<&D::switch_interval>("switch_interval"),
    daemon<&D::chroot>("chroot"),
    daemon<&D::script_user>("script_user"),
    daemon<&D::script_group>("script_group"),
    daemon<&D::startup_timeout>("startup_timeout"),
    daemon<&D::graceful_timeout>("graceful_timeout"),
    daemon<&D::eviction_timeout>("eviction_timeout"),
    daemon<&D::shutdown_timeout>("shutdown_timeout"),
    daemon<&D::connect_timeout>("connect_timeout"),
    daemon<&D::queue_timeout>("queue_timeout"),
    daemon<&D::queue_limit>("queue_limit"),
    daemon<&D::socket_timeout>("daemon_socket_timeout"),
    daemon<&D::response_socket_timeout>("response_socket_timeout"),
    daemon<&D::request_timeout>("request_timeout"),
    daemon<&D::interrupt_timeout>("interrupt_timeout"),
    daemon<&D::request_deadline>("request_deadline"),
    daemon<&D::interrupt_on_disconnect>("interrupt_on_disconnect"),
    daemon<&D::inactivity_timeout>("inactivity_timeout"),
    daemon<&D::deadlock_timeout>("deadlock_timeout"),
    daemon<&D::restart_interval>("restart_interval"),
    daemon<&D::warmup>("warmup"),
    daemon<&D::cpu_time_limit>("cpu_time_limit"),
    daemon<&D::cpu_priority>("cpu_priority"),
    daemon<&D::memory_limit>("memory_limit"),
    daemon<&D::virtual_memory_limit>("virtual_memory_limit"),
    daemon<&D::memory_recycle>("memory_recycle"),
    daemon<&D::stack_size>("stack_size"),
    daemon<&D::send_buffer_size>("send_buffer_size"),
    daemon<&D::receive_buffer_size>("receive_buffer_size"),
    daemon<&D::request_buffering_bytes>("request_buffering_bytes"),
    daemon<&D::response_buffering_bytes>("response_buffering_bytes"),
    daemon<&D::head_limit>("head_limit"),
    daemon<&D::interpreter_limit>("interpreter_limit"),
    host<&H::started_as_root>("started_as_root"),
    host<&H::uid>("uid"),
    host<&H::gid>("gid"),
    host<&H::supplementary_gids>("supplementary_gids"),
    host<&H::user_name>("user_name"),
    host<&H::user_home>("user_home"),
    host<&H::change_to_user_home>("change_to_user_home"),
    host<&H::script_uid>("script_uid"),
    host<&H::script_gid>("script_gid"),
    host<&H::socket_path>("socket_path"),
    host<&H::token>("token"),
    host<&H::peer_uid>("peer_uid"),
    host<&H::server_name>("server_name"),
    host<&H::log_level>("log_level"),
    host<&H::socket_timeout>("socket_timeout"),
    host<&H::start_delay_ms>("start_delay_ms"),
    host<&H::runtime_directory>("runtime_directory"),
    host<&H::default_python>("default_python"),
    host<&H::python_environment>("python_environment"),
    host<&H::case_sensitive>("case_sensitive"),
    host<&H::restrict_signal>("restrict_signal"),
    host<&H::restrict_stdin>("restrict_stdin"),
    host<&H::restrict_stdout>("restrict_stdout"),
    host<&H::httpd_version>("httpd_version"),
    host<&H::httpd_description>("httpd_description"),
    host<&H::mpm_name>("mpm_name"),
    host<&H::httpd_build_date>("httpd_build_date"),
    host<&H::httpd_maximum_processes>("httpd_maximum_processes"),
    host<&H::httpd_threads_per_process>("httpd_threads_per_process"),
    host<&H::preloads>("preloads"),
};
// clang-format on

Failed bad(std::string_view name, std::string_view what) {
  return failed(ErrorCode::BadHostSettings, fmt::format("setting '{}' {}", name, what));
}

}  // namespace

std::vector<Field> to_fields(const HostSettings& settings) {
  std::vector<Field> fields;
  fields.reserve(std::size(kRows));
  for (const Row& row : kRows) {
    Field& field = fields.emplace_back(std::string(row.name), std::string());
    row.write(settings, field.second);
  }
  return fields;
}

std::string first_difference(const DaemonSettings& one, const DaemonSettings& other) {
  HostSettings one_host;
  HostSettings other_host;
  one_host.daemon = one;
  other_host.daemon = other;
  const auto one_fields = to_fields(one_host);
  const auto other_fields = to_fields(other_host);
  for (std::size_t i = 0; i < one_fields.size(); ++i) {
    const auto& [name, value] = one_fields[i];
    const std::string& other_value = other_fields[i].second;
    if (value == other_value) continue;
    std::string option = name;
    std::replace(option.begin(), option.end(), '_', '-');
    const auto shown = [](const std::string& text) { return text.empty() ? "none" : text; };
    return fmt::format("{} {} versus {}", option, shown(value), shown(other_value));
  }
  return {};
}

Result<HostSettings> from_fields(const std::vector<Field>& fields) {
  HostSettings settings;
  std::array<bool, std::size(kRows)> seen{};
  for (const auto& [name, value] : fields) {
    std::size_t i = 0;
    while (i < std::size(kRows) && kRows[i].name != name) ++i;
    if (i == std::size(kRows)) return bad(name, "is unknown");
    if (seen[i]) return bad(name, "appears twice");
    if (!kRows[i].read(settings, value)) return bad(name, "has an impossible value");
    seen[i] = true;
  }
  for (std::size_t i = 0; i < std::size(kRows); ++i) {
    if (!seen[i]) return bad(kRows[i].name, "is missing");
  }
  return settings;
}

}  // namespace wsgix::config

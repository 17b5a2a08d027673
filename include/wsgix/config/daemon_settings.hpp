// SPDX-License-Identifier: Apache-2.0
// config/daemon_settings.hpp: what one daemon group was asked to be, and how its host is told.
//
// Knows the grammar of WSGIDaemonProcess; neither httpd nor accounts nor processes.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "wsgix/base/result.hpp"
#include "wsgix/wsgi/script_ref.hpp"

namespace wsgix::config {

using std::chrono::milliseconds;
using std::chrono::seconds;

inline constexpr int kInterpreterLimit = 100;
inline constexpr int kMostInterpreters = 100'000;

/// Resident bytes of one process; zero: no limit.
struct MemoryRecycle {
  std::int64_t soft = 0;  ///< above it the process is replaced, its requests end
  std::int64_t hard = 0;  ///< above it the process is ended at once

  bool operator==(const MemoryRecycle&) const = default;
};

/// The options of one WSGIDaemonProcess line as written. Defaults are those of the contract.
struct DaemonSettings {
  std::string name;

  // shape
  int processes = 1;
  bool processes_given = false;  ///< decides wsgi.multiprocess, even for processes=1
  int threads = 15;
  std::string display_name;  ///< "%{GROUP}" is expanded by title()
  int maximum_requests = 0;  ///< 0: no limit
  int listen_backlog = 100;

  // identity; accounts are resolved by whoever knows them
  std::string user;                  ///< name or "#uid"; empty: httpd's User
  std::string group;                 ///< name or "#gid"; empty: httpd's Group
  std::string supplementary_groups;  ///< "a,b,#7"; given: replaces the user's own list
  bool supplementary_groups_given = false;
  int umask = -1;  ///< -1: inherited
  std::string home;
  std::string lang;
  std::string locale;
  std::string socket_user;
  std::string chroot;       ///< in its normal spelling; empty: none
  std::string script_user;  ///< who has to own each script; excludes script_group
  std::string script_group;

  // Python
  std::string python_home;  ///< as written: "prefix:exec_prefix" too
  std::vector<std::string> python_path;
  std::string python_eggs;     ///< PYTHON_EGG_CACHE
  double switch_interval = 0;  ///< seconds; zero: Python's own

  // time; zero: off unless said otherwise
  milliseconds startup_timeout{};
  milliseconds graceful_timeout = seconds(15);
  std::optional<milliseconds> eviction_timeout;  ///< absent: graceful_timeout
  milliseconds shutdown_timeout = seconds(5);    ///< zero: no limit
  milliseconds connect_timeout = seconds(15);
  milliseconds queue_timeout{};            ///< zero: the socket timeout
  milliseconds socket_timeout{};           ///< zero: httpd's Timeout
  milliseconds response_socket_timeout{};  ///< towards the client; zero: socket_timeout
  milliseconds request_timeout{};
  milliseconds interrupt_timeout{};  ///< zero: a request is not interrupted before its process ends
  milliseconds request_deadline{};
  milliseconds inactivity_timeout{};
  milliseconds deadlock_timeout = seconds(300);
  milliseconds restart_interval{};
  bool interrupt_on_disconnect = false;

  std::string warmup;  ///< see config/warm_up.hpp; empty: none

  // limits; zero: none
  milliseconds cpu_time_limit{};  ///< whole seconds
  int cpu_priority = 0;           ///< as setpriority(2): -20 to 19
  std::int64_t memory_limit = 0;
  std::int64_t virtual_memory_limit = 0;
  std::int64_t stack_size = 0;  ///< of each thread
  MemoryRecycle memory_recycle;
  int queue_limit = 0;  ///< requests that may wait for a thread

  /// Sub-interpreters of a process that names chosen by requests may make.
  int interpreter_limit = kInterpreterLimit;

  // of the sockets between httpd and the processes, bytes; 0: the system's own
  std::int64_t send_buffer_size = 0;
  std::int64_t receive_buffer_size = 0;

  // buffering, bytes; 0: off
  std::int64_t request_buffering_bytes = 1 << 20;
  std::int64_t response_buffering_bytes = 8 << 20;

  /// Bytes that the head of a request (with its environ) or of a response may have.
  std::int64_t head_limit = 8 << 20;

  bool operator==(const DaemonSettings&) const = default;
};

/// "30", "30s", "500ms", "2min", "2m" or "1h", up to one year; nothing for any other text.
std::optional<milliseconds> span_of_time(std::string_view value);

/// Applies one "name=value" of WSGIDaemonProcess. Strict: a number is a number. The text says what
/// is used instead of a value that cannot be, for a warning; it is empty when all is as written.
Result<std::string> set_option(DaemonSettings& settings, std::string_view name,
                               std::string_view value);

/// How long a request may run by request-timeout=: S * (1 + ln threads), as the contract has it;
/// zero: no limit.
milliseconds request_time_limit(const DaemonSettings& settings);

/// Every option set_option() knows, for the test that compares them with the documentation.
std::vector<std::string_view> option_names();

/// "threads 5 versus 15": the first option in which they differ, for messages; empty: in none.
std::string first_difference(const DaemonSettings& one, const DaemonSettings& other);

/// What a group with threads=0 has no use for: limits that are measured by requests, and by Python
/// making progress for them.
void remove_request_limits(DaemonSettings& settings);

/// What ps shows: display-name with %{GROUP} as "(wsgi:NAME)"; our own default when none is given.
std::string title(const DaemonSettings& settings);

/// Everything a host needs to know, resolved; it travels to it as one encoded frame.
struct HostSettings {
  DaemonSettings daemon;

  bool started_as_root = false;  ///< false: the identity below is not applied
  std::uint32_t uid = 0;
  std::uint32_t gid = 0;
  std::vector<std::uint32_t> supplementary_gids;
  std::string user_name;
  std::string user_home;  ///< HOME, and the working directory when home= is absent
  bool change_to_user_home = false;
  std::optional<std::uint32_t> script_uid;  ///< of script-user=
  std::optional<std::uint32_t> script_gid;  ///< of script-group=

  std::string socket_path;                    ///< for messages
  std::string token;                          ///< wire::kTokenBytes raw bytes
  std::uint32_t peer_uid = 0;                 ///< who may connect besides root: httpd's User
  std::string server_name;                    ///< for messages and log lines
  int log_level = 4;                          ///< httpd's LogLevel for us, syslog numbers
  milliseconds socket_timeout = seconds(60);  ///< resolved
  int start_delay_ms = 0;                     ///< restart backoff of the parent

  std::string runtime_directory;  ///< holds wsgix-runtime.abi3.so
  std::string default_python;     ///< file name or path of the libpython to use without a home
  std::vector<std::string> python_environment;  ///< wsgix_start.environment
  bool case_sensitive = true;                   ///< WSGICaseSensitivity
  bool restrict_signal = true;
  bool restrict_stdin = false;
  bool restrict_stdout = false;
  std::uint32_t httpd_version[3] = {0, 0, 0};
  std::string httpd_description;
  std::string mpm_name;
  std::string httpd_build_date;
  int httpd_maximum_processes = 1;
  int httpd_threads_per_process = 1;

  /// What a worker loads before it serves; without one that is Rolling it does not.
  std::vector<wsgi::OwnedScriptRef> preloads;

  bool operator==(const HostSettings&) const = default;
};

/// Bytes, from 0 to 1024g: 65536, 64k, 8m or 1g.
std::optional<std::int64_t> parse_size(std::string_view value);
/// Digits and nothing else.
std::optional<std::int64_t> parse_number(std::string_view value);
/// The same, but for a minus.
std::optional<std::int64_t> parse_signed(std::string_view value);
/// "0.005": above 0, up to a million, without an exponent.
std::optional<double> positive_number(std::string_view value);
/// Directories between colons; empty ones do not count.
std::vector<std::string> split_path(std::string_view value);

using Field = std::pair<std::string, std::string>;

/// Lossless in both directions. from_fields() refuses an unknown or missing name.
std::vector<Field> to_fields(const HostSettings& settings);
Result<HostSettings> from_fields(const std::vector<Field>& fields);

}  // namespace wsgix::config

// SPDX-License-Identifier: Apache-2.0
// httpd/settings.hpp: what the directives wrote, per directory and per server, and how it merges.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "httpd_api.hpp"
#include "wsgix/base/error.hpp"
#include "wsgix/config/daemon_settings.hpp"
#include "wsgix/wsgi/alias_index.hpp"
#include "wsgix/wsgi/script_ref.hpp"
#include "wsgix/wsgi/trusted_proxies.hpp"

namespace wsgix::httpd {

class GroupRegistry;
class ChildProcess;

/// "sites/shop.conf:12"
std::string place_of(const cmd_parms& cmd);

/// WSGIMapHEADToGET: when an application is told GET for a request that is HEAD.
enum class MapHead : std::uint8_t {
  Off,
  On,
  Auto,  ///< when a content filter needs the body to make the headers of HEAD
};

/// WSGIChunkedRequest: what becomes of a request body whose length nobody has said.
struct ChunkedRequest {
  static constexpr std::int64_t kMostBytes = std::int64_t{1} << 30;

  bool is_accepted = false;
  bool is_streamed = false;  ///< without CONTENT_LENGTH; otherwise buffered until it is known
  std::int64_t most_bytes = kMostBytes;
};

using wsgi::ScriptReloading;

/// How long a request may take, from when a worker is looked for until its response is whole.
struct RequestDeadline {
  config::milliseconds span{};  ///< zero: no limit
  const char* place = nullptr;  ///< of the directive; nullptr: the group's request-deadline=
};

using NameList = std::vector<std::string>;

/// What a line that maps to a script says itself; the directives around it say the rest.
struct RouteOptions {
  std::optional<std::string> process_group;
  std::optional<std::string> application_group;
  std::optional<std::string> callable;
  std::optional<bool> pass_authorization;
};

/// WSGIHandlerScript: lives in the configuration pool. It always has a callable.
struct HandlerScript : RouteOptions {
  std::string handler;
  std::string script;
  std::string place;
};
/// From the outermost section to the innermost; the last of a name holds.
using HandlerScripts = std::vector<const HandlerScript*>;

/// The values that a request can find at any level. Everything outside a <Directory> stands in
/// its server's default section, so one merge covers main server, virtual host and directory.
/// Trivial to copy and to destroy, because httpd merges such records during each request: texts
/// live in the configuration's pool, nullptr is "not written".
struct DirConfig {
  const char* process_group = nullptr;
  const char* application_group = nullptr;
  const char* callable = nullptr;
  std::optional<ScriptReloading> script_reloading;
  std::optional<RequestDeadline> request_deadline;
  std::optional<bool> pass_authorization;
  std::optional<ChunkedRequest> chunked_request;
  // Lists of one section, in its pool; an inner section's list replaces the outer one's.
  std::vector<wsgi::Network>* trusted_proxies = nullptr;
  std::vector<wsgi::ProxyHeader>* trusted_proxy_headers = nullptr;
  std::optional<MapHead> map_head_to_get;
  std::optional<bool> error_override;
  std::optional<bool> local_redirect;
  NameList* allowed_groups = nullptr;  ///< WSGIRestrictProcess, literal; nullptr: all
  const HandlerScripts* handler_scripts = nullptr;
  std::optional<bool> ignore_activity;
  std::optional<bool> pass_apache_request;
};

struct ScriptAlias : RouteOptions {
  std::string location;                 ///< URL path or regular expression as written
  const ap_regex_t* pattern = nullptr;  ///< WSGIScriptAliasMatch; lives in the configuration pool
  std::string target;
  std::string place;
};

/// WSGIImportScript. Both names are there once the line has been read.
struct ImportScript {
  std::string script;
  std::optional<std::string> process_group;
  std::optional<std::string> application_group;
  std::string place;
};

/// How Python starts in every process, but for what is said to be of embedded mode.
struct PythonOptions {
  int optimize = 0;
  bool dont_write_bytecode = false;
  std::vector<std::string> warnings;  ///< filters as of python -W
  std::string hash_seed;              ///< "random" or a number; empty: Python's own
  std::string eggs;                   ///< embedded mode's PYTHON_EGG_CACHE
  double switch_interval = 0;         ///< embedded mode's, seconds; zero: Python's own
};

/// wsgix_start.environment
std::vector<std::string> environment_of(const PythonOptions& options);

struct GroupDefinition {
  config::DaemonSettings settings;
  std::string place;
};

/// A literal name that some WSGIProcessGroup or process-group= uses.
struct GroupMention {
  std::string name;
  std::string directive;
  std::string place;
};

/// Something in the configuration that cannot be meant so, and does not stop the start.
struct Warning {
  const server_rec* server;
  Error error;
};

struct ServerConfig {
  std::vector<ScriptAlias> aliases;     ///< those of this server alone; the main server's follow
  wsgi::AliasIndex alias_index;         ///< of the same
  std::vector<GroupDefinition> groups;  ///< those of this server alone
  std::vector<GroupMention> mentions;   ///< likewise
  std::vector<ImportScript> imports;    ///< likewise
  HandlerScripts handler_scripts;       ///< likewise, of all sections, to be checked
  std::vector<Error> notices;           ///< likewise: what its lines say and cannot mean

  // Only the main server's are read.
  std::optional<std::string> socket_prefix;
  std::optional<std::string> python_home;
  std::string python_home_place;
  std::vector<std::string> python_path;
  std::optional<bool> restrict_embedded;
  PythonOptions python;
  bool case_sensitive = true;
  bool restrict_signal = true;
  bool restrict_stdin = false;
  bool restrict_stdout = false;
  std::uint32_t interpreter_limit = config::kInterpreterLimit;

  std::vector<Warning> warnings;      ///< of all servers, by the configuration check
  GroupRegistry* registry = nullptr;  ///< set by the configuration check
  ChildProcess* child = nullptr;      ///< set in each child
};

/// nullptr: no WSGIHandlerScript has that name there.
const HandlerScript* find_handler_script(const DirConfig& config,
                                         std::string_view handler) noexcept;

DirConfig& config_of(ap_conf_vector_t& section);
const DirConfig& config_of(const request_rec& r);
ServerConfig& config_of(server_rec& server);
const ServerConfig& config_of(const server_rec& server);

// The module record's four constructors.
void* create_dir_config(apr_pool_t* pool, char* path) noexcept;
void* merge_dir_config(apr_pool_t* pool, void* outer, void* inner) noexcept;
void* create_server_config(apr_pool_t* pool, server_rec* server) noexcept;
void* merge_server_config(apr_pool_t* pool, void* main, void* virtual_host) noexcept;

void merge_into(DirConfig& outer, const DirConfig& inner);

}  // namespace wsgix::httpd

// SPDX-License-Identifier: Apache-2.0
// The table of directives and their small setters. A setter checks one line and writes one
// record; what several lines mean together is check.cpp's subject.
#include "directives.hpp"

#include <algorithm>

#include "pool.hpp"
#include "words.hpp"
#include "wsgix/wsgi/environ.hpp"

namespace wsgix::httpd {
namespace {

Result<bool> flag(const Line& line, std::string_view value, const char* accepted = "Off | On") {
  if (const auto on = wsgi::parse_flag(value)) return *on;
  return refused(line, std::string(line.cmd.cmd->name) + " must be one of: " + accepted +
                           ", not '" + std::string(value) + "'");
}

/// For directives of the main server alone: httpd's context bits cannot say that.
template <Result<void> (*Setter)(Line&, std::string_view)>
Result<void> in_main_server(Line& line, std::string_view value) {
  if (const char* why = ap_check_cmd_context(&line.cmd, GLOBAL_ONLY)) return refused(line, why);
  return Setter(line, value);
}

const char* keep(const Line& line, std::string_view text) {
  return apr_pstrmemdup(line.cmd.pool, text.data(), text.size());
}

template <const char* DirConfig::*Member>
Result<void> set_text(Line& line, std::string_view value) {
  if (value.empty()) return refused(line, "needs a name");
  line.directory.*Member = keep(line, value);
  return {};
}

template <std::optional<bool> DirConfig::*Member>
Result<void> set_directory_flag(Line& line, std::string_view value) {
  const Result<bool> on = flag(line, value);
  if (!on) return failed(on);
  line.directory.*Member = *on;
  return {};
}

Result<void> set_map_head_to_get(Line& line, std::string_view value) {
  if (wsgi::equals_ignoring_case(value, "auto")) {
    line.directory.map_head_to_get = MapHead::Auto;
    return {};
  }
  const Result<bool> on = flag(line, value, "Off | On | Auto");
  if (!on) return failed(on);
  line.directory.map_head_to_get = *on ? MapHead::On : MapHead::Off;
  return {};
}

/// On has a limit too: somebody's disk holds such bodies.
Result<void> set_chunked_request(Line& line, std::string_view value) {
  ChunkedRequest chosen;
  if (wsgi::equals_ignoring_case(value, "stream")) {
    chosen.is_accepted = chosen.is_streamed = true;
  } else if (const auto size = config::parse_size(value); size && *size > 0) {
    chosen.is_accepted = true;
    chosen.most_bytes = *size;
  } else {
    const Result<bool> on = flag(line, value, "Off | On | Stream | a size such as 100m");
    if (!on) return failed(on);
    chosen.is_accepted = *on;
  }
  line.directory.chunked_request = chosen;
  return {};
}

Result<void> set_script_reloading(Line& line, std::string_view value) {
  if (wsgi::equals_ignoring_case(value, "rolling")) {
    line.directory.script_reloading = ScriptReloading::Rolling;
    return {};
  }
  const Result<bool> on = flag(line, value, "Off | On | Rolling");
  if (!on) return failed(on);
  line.directory.script_reloading = *on ? ScriptReloading::On : ScriptReloading::Off;
  return {};
}

Result<void> set_request_deadline(Line& line, std::string_view value) {
  const auto span = config::span_of_time(value);
  if (!span) {
    return refused(line, "'" + std::string(value) +
                             "' is not a time from 0 to one year, such as 30, 30s, 500ms, 2min "
                             "or 1h");
  }
  line.directory.request_deadline = {*span, keep(line, place_of(line.cmd))};
  return {};
}

template <auto Member>
Result<void> set_server_flag(Line& line, std::string_view value) {
  const Result<bool> on = flag(line, value);
  if (!on) return failed(on);
  line.server.*Member = *on;
  return {};
}

Result<void> set_dont_write_bytecode(Line& line, std::string_view value) {
  const Result<bool> on = flag(line, value);
  if (!on) return failed(on);
  line.server.python.dont_write_bytecode = *on;
  return {};
}

Result<void> set_process_group(Line& line, std::string_view value) {
  if (const Result<void> set = set_text<&DirConfig::process_group>(line, value); !set) return set;
  if (wsgi::is_literal_group_name(value)) {
    line.server.mentions.push_back(
        {std::string(wsgi::literal_group_name(value)), "WSGIProcessGroup", place_of(line.cmd)});
  }
  return {};
}

Result<void> set_socket_prefix(Line& line, std::string_view value) {
  const char* path = ap_server_root_relative(line.cmd.pool, std::string(value).c_str());
  if (path == nullptr) {
    return refused(line, "WSGISocketPrefix '" + std::string(value) + "' is not a usable path");
  }
  line.server.socket_prefix = path;
  return {};
}

Result<void> set_python_home(Line& line, std::string_view value) {
  line.server.python_home = std::string(value);
  line.server.python_home_place = place_of(line.cmd);
  return {};
}

Result<void> set_python_path(Line& line, std::string_view value) {
  line.server.python_path = config::split_path(value);
  return {};
}

Result<void> set_interpreter_limit(Line& line, std::string_view value) {
  const auto number = config::parse_number(value);
  if (!number || *number < 1 || *number > config::kMostInterpreters) {
    return refused(line, "'" + std::string(value) + "' is not a whole number from 1 to " +
                             std::to_string(config::kMostInterpreters));
  }
  line.server.interpreter_limit = static_cast<std::uint32_t>(*number);
  return {};
}

/// An empty list allows nothing.
Result<void> set_restrict_process(Line& line, std::string_view rest) {
  NameList& allowed = make_in_pool<NameList>(line.cmd.pool);
  while (!at_end(rest)) {
    const Result<std::string> name = take_word(rest);
    if (!name) return refused(line, name.error().what);
    allowed.emplace_back(wsgi::literal_group_name(*name));
  }
  line.directory.allowed_groups = &allowed;
  return {};
}

constexpr int kEverywhere = RSRC_CONF | OR_ALL;

/// legacy.cpp knows their values, and what should be written instead.
command_rec without_effect(const char* name, int where = kEverywhere) {
  return AP_INIT_RAW_ARGS(name, (take_raw<accept_name_without_effect>), nullptr, where,
                          "accepted, without effect");
}

command_rec without_effect_in_main_server(const char* name) {
  return AP_INIT_RAW_ARGS(name, (take_raw<in_main_server<accept_name_without_effect>>), nullptr,
                          RSRC_CONF, "accepted, without effect");
}

Result<void> refuse_later_name(Line& line, std::string_view) {
  return failed(ErrorCode::OptionNotAvailable, std::string(line.cmd.cmd->name) + " (" +
                                                   place_of(line.cmd) +
                                                   "): this version does not have the directive");
}

/// Of mod_wsgi, but not here yet: httpd's own "invalid command" would send people looking for a
/// missing module.
command_rec later(const char* name) {
  return AP_INIT_RAW_ARGS(name, (take_raw<refuse_later_name>), nullptr, RSRC_CONF | OR_ALL,
                          "not available in this version");
}

}  // namespace

Failed refused(const Line& line, const std::string& why) {
  const std::string directive = line.cmd.cmd->name;
  return failed(ErrorCode::BadDirective,
                (why.starts_with(directive) ? why : directive + ": " + why) + " (" +
                    place_of(line.cmd) + ")");
}

void notice(Line& line, Error error) {
  if (ap_check_cmd_context(&line.cmd, NOT_IN_HTACCESS) != nullptr) return;
  error.what += " (" + place_of(line.cmd) + ")";
  line.server.notices.push_back(std::move(error));
}

void warn_of_value(Line& line, const Option& option, const std::string& instead) {
  const std::string subject =
      std::string(line.cmd.cmd->name) + ": " + option.name + "='" + option.value + "': ";
  if (!instead.empty()) notice(line, {ErrorCode::ValueAdjusted, subject + instead});
  if (option.has_blanks) {
    notice(line, {ErrorCode::ValueAdjusted, subject + "the value stands behind a blank", 0,
                  "write no blanks behind '='"});
  }
}

Result<void> add_daemon_process(Line& line, std::string_view rest) {
  GroupDefinition group;
  group.place = place_of(line.cmd);
  Result<std::string> name = take_word(rest);
  if (!name) return refused(line, name.error().what);
  if (name->empty()) return refused(line, "WSGIDaemonProcess needs the name of a group");
  group.settings.name = std::move(*name);

  while (!at_end(rest)) {
    const Result<Option> option = take_option(rest);
    if (!option) {
      return failed(
          option.error().code,
          "WSGIDaemonProcess " + group.settings.name +
              ": Invalid option to WSGI daemon process definition: " + option.error().what);
    }
    const Result<std::string> set = config::set_option(group.settings, option->name, option->value);
    if (!set) {
      Error error = set.error();
      error.what += " (group '" + group.settings.name + "', " + group.place + ")";
      return Failed(std::move(error));
    }
    warn_of_value(line, *option, *set);
  }
  line.server.groups.push_back(std::move(group));
  return {};
}

// clang-format off
// One entry per directive; docs/directives/<Name>.md must exist for each (tests check).
const command_rec kDirectives[] = {
    AP_INIT_RAW_ARGS("WSGIScriptAlias", (take_raw<add_script_alias>), nullptr, RSRC_CONF,
                     "URL path, script, [process-group=] [application-group=] [callable-object=] [pass-authorization=]"),
    AP_INIT_RAW_ARGS("WSGIScriptAliasMatch", (take_raw<add_script_alias_match>), nullptr, RSRC_CONF,
                     "regular expression, script, options of WSGIScriptAlias"),
    AP_INIT_RAW_ARGS("WSGIHandlerScript", (take_raw<add_handler_script>), nullptr, RSRC_CONF | ACCESS_CONF,
                     "name of a handler, script, [process-group=] [application-group=] [pass-authorization=]"),
    AP_INIT_RAW_ARGS("WSGIImportScript", (take_raw<add_import_script>), nullptr, RSRC_CONF,
                     "script, process-group=, application-group="),
    AP_INIT_RAW_ARGS("WSGIDaemonProcess", (take_raw<add_daemon_process>), nullptr, RSRC_CONF,
                     "name [option=value ...]"),
    AP_INIT_TAKE1("WSGIProcessGroup", (take_one<set_process_group>), nullptr, RSRC_CONF | ACCESS_CONF,
                  "name of a WSGIDaemonProcess; %{GLOBAL} is embedded mode"),
    AP_INIT_TAKE1("WSGIApplicationGroup", (take_one<set_text<&DirConfig::application_group>>), nullptr,
                  RSRC_CONF | ACCESS_CONF, "name of an interpreter; %{GLOBAL} is the main one"),
    AP_INIT_TAKE1("WSGICallableObject", (take_one<set_text<&DirConfig::callable>>), nullptr, OR_FILEINFO,
                  "name of the application in the script; default application"),
    AP_INIT_TAKE1("WSGIScriptReloading", (take_one<set_script_reloading>), nullptr,
                  OR_FILEINFO, "On, Off or Rolling; default On"),
    AP_INIT_TAKE1("WSGIRequestDeadline", (take_one<set_request_deadline>), nullptr, OR_FILEINFO,
                  "longest time of a request; 0: none; default: the group's request-deadline="),
    AP_INIT_TAKE1("WSGIPassAuthorization", (take_one<set_directory_flag<&DirConfig::pass_authorization>>), nullptr,
                  OR_FILEINFO, "On or Off; default Off"),
    AP_INIT_TAKE1("WSGIChunkedRequest", (take_one<set_chunked_request>), nullptr,
                  OR_FILEINFO, "On, Off, Stream or the largest size; default Off"),
    AP_INIT_ITERATE("WSGITrustedProxies", (take_one<add_trusted_proxy>), nullptr, OR_FILEINFO,
                    "addresses and networks of the proxies in front of httpd"),
    AP_INIT_ITERATE("WSGITrustedProxyHeaders", (take_one<add_trusted_proxy_header>), nullptr, OR_FILEINFO,
                    "headers of those proxies that may change environ"),
    AP_INIT_TAKE1("WSGIMapHEADToGET", (take_one<set_map_head_to_get>), nullptr, OR_FILEINFO,
                  "On, Off or Auto; default Auto"),
    AP_INIT_TAKE1("WSGIErrorOverride", (take_one<set_directory_flag<&DirConfig::error_override>>), nullptr,
                  OR_FILEINFO, "On or Off; default Off"),
    AP_INIT_TAKE1("WSGILocalRedirect", (take_one<set_directory_flag<&DirConfig::local_redirect>>), nullptr,
                  OR_FILEINFO, "On or Off; default On"),
    AP_INIT_TAKE1("WSGIRestrictEmbedded", (take_one<in_main_server<set_server_flag<&ServerConfig::restrict_embedded>>>), nullptr,
                  RSRC_CONF, "On or Off; default Off"),
    AP_INIT_TAKE1("WSGIRestrictStdin", (take_one<in_main_server<set_server_flag<&ServerConfig::restrict_stdin>>>), nullptr,
                  RSRC_CONF, "On or Off; default Off"),
    AP_INIT_TAKE1("WSGIRestrictStdout", (take_one<in_main_server<set_server_flag<&ServerConfig::restrict_stdout>>>), nullptr,
                  RSRC_CONF, "On or Off; default Off"),
    AP_INIT_TAKE1("WSGIRestrictSignal", (take_one<in_main_server<set_server_flag<&ServerConfig::restrict_signal>>>), nullptr,
                  RSRC_CONF, "On or Off; default On: signal.signal() does nothing"),
    AP_INIT_TAKE1("WSGIInterpreterLimit", (take_one<in_main_server<set_interpreter_limit>>), nullptr, RSRC_CONF,
                  "most interpreters in embedded mode whose names requests choose; default 100"),
    AP_INIT_TAKE1("WSGISocketPrefix", (take_one<in_main_server<set_socket_prefix>>), nullptr, RSRC_CONF,
                  "beginning of the paths of the groups' sockets"),
    AP_INIT_TAKE1("WSGIPythonHome", (take_one<in_main_server<set_python_home>>), nullptr, RSRC_CONF,
                  "virtual environment or installation of the default Python"),
    AP_INIT_TAKE1("WSGIPythonPath", (take_one<in_main_server<set_python_path>>), nullptr, RSRC_CONF,
                  "directories for embedded mode, separated by colons"),
    AP_INIT_RAW_ARGS("WSGIRestrictProcess", (take_raw<set_restrict_process>), nullptr, RSRC_CONF | ACCESS_CONF,
                     "names of the process groups that requests may use; %{GLOBAL} is embedded mode"),
    AP_INIT_TAKE1("WSGIIgnoreActivity", (take_one<set_directory_flag<&DirConfig::ignore_activity>>), nullptr,
                  OR_FILEINFO, "On or Off; default Off: requests push inactivity-timeout= forward"),
    AP_INIT_TAKE1("WSGIPassApacheRequest", (take_one<set_directory_flag<&DirConfig::pass_apache_request>>), nullptr,
                  RSRC_CONF | ACCESS_CONF, "On or Off; default Off; embedded mode only"),
    AP_INIT_TAKE1("WSGICaseSensitivity", (take_one<in_main_server<set_server_flag<&ServerConfig::case_sensitive>>>), nullptr,
                  RSRC_CONF, "On or Off; default On"),
    AP_INIT_TAKE1("WSGIPythonOptimize", (take_one<in_main_server<set_python_optimize>>), nullptr, RSRC_CONF,
                  "0, 1 (as python -O) or 2 (as -OO); default 0"),
    AP_INIT_TAKE1("WSGIPythonWarnings", (take_one<in_main_server<add_python_warnings>>), nullptr, RSRC_CONF,
                  "a filter as of python -W; may be repeated"),
    AP_INIT_TAKE1("WSGIPythonHashSeed", (take_one<in_main_server<set_python_hash_seed>>), nullptr, RSRC_CONF,
                  "random, or a number from 0 to 4294967295"),
    AP_INIT_TAKE1("WSGIPythonEggs", (take_one<in_main_server<set_python_eggs>>), nullptr, RSRC_CONF,
                  "folder for unpacked eggs in embedded mode"),
    AP_INIT_TAKE1("WSGIDontWriteBytecode", (take_one<in_main_server<set_dont_write_bytecode>>), nullptr, RSRC_CONF,
                  "On or Off; default Off"),
    AP_INIT_TAKE1("WSGISwitchInterval", (take_one<in_main_server<set_switch_interval>>), nullptr, RSRC_CONF,
                  "seconds after which Python lets another thread run, in embedded mode"),
    without_effect_in_main_server("WSGIVerboseDebugging"),
    without_effect_in_main_server("WSGIAcceptMutex"),
    without_effect_in_main_server("WSGISocketRotation"),
    without_effect_in_main_server("WSGIDestroyInterpreter"),
    without_effect_in_main_server("WSGIPerInterpreterGIL"),
    without_effect_in_main_server("WSGIFreeThreading"),
    without_effect_in_main_server("WSGIServerMetrics"),
    without_effect_in_main_server("WSGITelemetryService"),
    without_effect_in_main_server("WSGISlowRequests"),
    without_effect_in_main_server("WSGITelemetryOptions"),
    without_effect("WSGIEnableSendfile", OR_FILEINFO),
    without_effect("WSGIGroupAuthoritative", OR_AUTHCFG),
    without_effect("WSGIUserAuthoritative"),
    without_effect("WSGILazyInitialization"),
    without_effect("WSGINewRelicConfigFile"),
    without_effect("WSGINewRelicEnvironment"),
    without_effect("WSGIPy3kWarningFlag"),
    without_effect("WSGIReloadMechanism"),
    without_effect("WSGIOutputBuffering"),
    without_effect("WSGIPythonExecutable"),
    without_effect("WSGIServerGroup"),
    without_effect("WSGIApacheExtensions"),
    later("WSGIAccessScript"),
    later("WSGIAuthGroupScript"),
    later("WSGIAuthUserScript"),
    later("WSGIDispatchScript"),
    later("<WSGIInterpreterOptions"),
    {},
};
// clang-format on

}  // namespace wsgix::httpd

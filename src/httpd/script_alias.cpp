// SPDX-License-Identifier: Apache-2.0
// WSGIScriptAlias and WSGIScriptAliasMatch: one line of the ordered list of aliases; and
// WSGIHandlerScript, whose line has the same options.
#include <fmt/format.h>

#include "directives.hpp"
#include "pool.hpp"
#include "words.hpp"
#include "wsgix/wsgi/environ.hpp"

namespace wsgix::httpd {
namespace {

Result<void> set_name(const Line& line, const char* of_what, std::optional<std::string>& into,
                      const std::string& value) {
  if (value.empty()) return refused(line, std::string("Invalid name for WSGI ") + of_what);
  into = value == "%{GLOBAL}" ? std::string() : value;
  return {};
}

Result<void> set_flag(const Line& line, std::optional<bool>& into, const std::string& value) {
  into = wsgi::parse_flag(value);
  if (into) return {};
  return refused(line, "Invalid value for authorization flag: pass-authorization=" + value +
                           " must be one of: Off | On");
}

/// What tells the lines of one directive from those of another.
struct Kind {
  const char* what;
  const char* first_word;
  bool has_callable;  ///< callable-object= is one of its options
};
constexpr Kind kAlias{"script alias", "a URL path", true};
constexpr Kind kHandler{"handler script", "a handler's name", false};

Result<void> set_option(const Line& line, const Kind& kind, RouteOptions& options,
                        const Option& option) {
  const std::string& name = option.name;
  const std::string& value = option.value;
  if (name == "process-group") return set_name(line, "process group", options.process_group, value);
  if (name == "application-group") {
    return set_name(line, "application group", options.application_group, value);
  }
  if (name == "callable-object" && kind.has_callable) {
    return set_name(line, "callable object", options.callable, value);
  }
  if (name == "pass-authorization") return set_flag(line, options.pass_authorization, value);
  return failed(ErrorCode::UnknownOption,
                fmt::format("{}: Invalid option to WSGI {} definition: '{}' is not one of "
                            "process-group, application-group, {}pass-authorization",
                            line.cmd.cmd->name, kind.what, name,
                            kind.has_callable ? "callable-object, " : ""));
}

/// Two words and the options behind them.
Result<void> parse(Line& line, std::string_view rest, const Kind& kind, std::string& first,
                   std::string& script, RouteOptions& options) {
  for (std::string* word : {&first, &script}) {
    Result<std::string> taken = take_word(rest);
    if (!taken) return refused(line, taken.error().what);
    *word = std::move(*taken);
  }
  if (first.empty() || script.empty()) {
    return refused(line, fmt::format("{} requires at least two arguments, {} and a script",
                                     line.cmd.cmd->name, kind.first_word));
  }
  while (!at_end(rest)) {
    const Result<Option> option = take_option(rest);
    if (!option) {
      return failed(option.error().code,
                    fmt::format("{}: Invalid option to WSGI {} definition: {}", line.cmd.cmd->name,
                                kind.what, option.error().what));
    }
    if (auto set = set_option(line, kind, options, *option); !set) return set;
    warn_of_value(line, *option, {});
  }
  return {};
}

Result<ScriptAlias> parse_alias(Line& line, std::string_view rest) {
  ScriptAlias alias;
  alias.place = place_of(line.cmd);
  const auto parsed = parse(line, rest, kAlias, alias.location, alias.target, alias);
  if (!parsed) return failed(parsed);
  return alias;
}

void mention(Line& line, const RouteOptions& options, const std::string& place) {
  if (!options.process_group || !wsgi::is_literal_group_name(*options.process_group)) return;
  line.server.mentions.push_back(
      {*options.process_group, std::string(line.cmd.cmd->name) + " process-group=", place});
}

void remember(Line& line, ScriptAlias alias) {
  mention(line, alias, alias.place);
  alias.pattern != nullptr ? line.server.alias_index.add_pattern()
                           : line.server.alias_index.add(alias.location);
  line.server.aliases.push_back(std::move(alias));
}

}  // namespace

Result<void> add_script_alias(Line& line, std::string_view rest) {
  Result<ScriptAlias> alias = parse_alias(line, rest);
  if (!alias) return failed(alias);
  remember(line, std::move(*alias));
  return {};
}

Result<void> add_script_alias_match(Line& line, std::string_view rest) {
  Result<ScriptAlias> alias = parse_alias(line, rest);
  if (!alias) return failed(alias);
  alias->pattern = ap_pregcomp(line.cmd.pool, alias->location.c_str(), AP_REG_EXTENDED);
  if (alias->pattern == nullptr) {
    return refused(line, "Regular expression could not be compiled: " + alias->location);
  }
  remember(line, std::move(*alias));
  return {};
}

Result<void> add_handler_script(Line& line, std::string_view rest) {
  HandlerScript& handler = make_in_pool<HandlerScript>(line.cmd.pool);
  handler.place = place_of(line.cmd);
  handler.callable = "handle_request";
  if (auto parsed = parse(line, rest, kHandler, handler.handler, handler.script, handler); !parsed)
    return parsed;
  mention(line, handler, handler.place);
  HandlerScripts& scripts = make_in_pool<HandlerScripts>(line.cmd.pool);
  if (line.directory.handler_scripts != nullptr) scripts = *line.directory.handler_scripts;
  scripts.push_back(&handler);
  line.directory.handler_scripts = &scripts;
  line.server.handler_scripts.push_back(&handler);
  return {};
}

}  // namespace wsgix::httpd

// SPDX-License-Identifier: Apache-2.0
// WSGIScriptAlias and WSGIScriptAliasMatch: one line of the ordered list of aliases.
#include "directives.hpp"
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
  if (wsgi::equals_ignoring_case(value, "on")) {
    into = true;
  } else if (wsgi::equals_ignoring_case(value, "off")) {
    into = false;
  } else {
    return refused(line, "Invalid value for authorization flag: pass-authorization=" + value +
                             " must be one of: Off | On");
  }
  return {};
}

Result<void> set_option(const Line& line, ScriptAlias& alias, const Option& option) {
  const std::string& name = option.name;
  const std::string& value = option.value;
  if (name == "process-group") return set_name(line, "process group", alias.process_group, value);
  if (name == "application-group") {
    return set_name(line, "application group", alias.application_group, value);
  }
  if (name == "callable-object") return set_name(line, "callable object", alias.callable, value);
  if (name == "pass-authorization") return set_flag(line, alias.pass_authorization, value);
  return failed(ErrorCode::UnknownOption,
                std::string(line.cmd.cmd->name) +
                    ": Invalid option to WSGI script alias definition: '" + name +
                    "' is not one of process-group, application-group, callable-object, "
                    "pass-authorization");
}

Result<ScriptAlias> parse(Line& line, std::string_view rest) {
  ScriptAlias alias;
  alias.place = place_of(line.cmd);
  for (std::string* word : {&alias.location, &alias.target}) {
    Result<std::string> taken = take_word(rest);
    if (!taken) return refused(line, taken.error().what);
    *word = std::move(*taken);
  }
  if (alias.location.empty() || alias.target.empty()) {
    return refused(line, std::string(line.cmd.cmd->name) +
                             " requires at least two arguments, a URL path and a script");
  }
  while (!at_end(rest)) {
    const Result<Option> option = take_option(rest);
    if (!option) {
      return failed(option.error().code,
                    std::string(line.cmd.cmd->name) +
                        ": Invalid option to WSGI script alias definition: " + option.error().what);
    }
    if (const Result<void> set = set_option(line, alias, *option); !set)
      return failed(set.error().code, set.error().what);
    warn_of_value(line, *option, {});
  }
  return alias;
}

void remember(Line& line, ScriptAlias alias) {
  if (alias.process_group && wsgi::is_literal_group_name(*alias.process_group)) {
    line.server.mentions.push_back(
        {*alias.process_group, std::string(line.cmd.cmd->name) + " process-group=", alias.place});
  }
  line.server.aliases.push_back(std::move(alias));
}

}  // namespace

Result<void> add_script_alias(Line& line, std::string_view rest) {
  Result<ScriptAlias> alias = parse(line, rest);
  if (!alias) return failed(alias);
  remember(line, std::move(*alias));
  return {};
}

Result<void> add_script_alias_match(Line& line, std::string_view rest) {
  Result<ScriptAlias> alias = parse(line, rest);
  if (!alias) return failed(alias);
  alias->pattern = ap_pregcomp(line.cmd.pool, alias->location.c_str(), AP_REG_EXTENDED);
  if (alias->pattern == nullptr) {
    return refused(line, "Regular expression could not be compiled: " + alias->location);
  }
  remember(line, std::move(*alias));
  return {};
}

}  // namespace wsgix::httpd

// SPDX-License-Identifier: Apache-2.0
// httpd/directives.hpp: the table of directives, in the parts it is written in.
#pragma once

#include "trampoline.hpp"
#include "words.hpp"

namespace wsgix::httpd {

extern const command_rec kDirectives[];

/// "WX3001: WSGIScriptReloading ..., at sites/shop.conf:12" is the shape of every refusal.
Failed refused(const Line& line, const std::string& why);

/// A warning about the line, for the log. Lines of .htaccess files are read with each request: of
/// those nobody wants the same warning that often, and it is dropped.
void notice(Line& line, Error error);

/// About an option that was accepted. `instead`: what is used in place of its value, or empty.
void warn_of_value(Line& line, const Option& option, const std::string& instead);

// Setters that have a file of their own.
Result<void> add_script_alias(Line& line, std::string_view rest);
Result<void> add_handler_script(Line& line, std::string_view rest);
Result<void> add_import_script(Line& line, std::string_view rest);
Result<void> add_script_alias_match(Line& line, std::string_view rest);
Result<void> add_daemon_process(Line& line, std::string_view rest);
Result<void> add_trusted_proxy(Line& line, std::string_view value);
Result<void> add_trusted_proxy_header(Line& line, std::string_view value);
Result<void> set_python_optimize(Line& line, std::string_view value);
Result<void> add_python_warnings(Line& line, std::string_view value);
Result<void> set_python_hash_seed(Line& line, std::string_view value);
Result<void> set_python_eggs(Line& line, std::string_view value);
Result<void> set_switch_interval(Line& line, std::string_view value);
/// For the names of legacy.cpp's table.
Result<void> accept_name_without_effect(Line& line, std::string_view rest);

}  // namespace wsgix::httpd

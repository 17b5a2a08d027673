// SPDX-License-Identifier: Apache-2.0
// httpd/directives.hpp: the table of directives, in the parts it is written in.
#pragma once

#include "trampoline.hpp"

namespace wsgix::httpd {

extern const command_rec kDirectives[];

/// "WX3001: WSGIScriptReloading ..., at sites/shop.conf:12" is the shape of every refusal.
Failed refused(const Line& line, const std::string& why);

// Setters that have a file of their own.
Result<void> add_script_alias(Line& line, std::string_view rest);
Result<void> add_import_script(Line& line, std::string_view rest);
Result<void> add_script_alias_match(Line& line, std::string_view rest);
Result<void> add_daemon_process(Line& line, std::string_view rest);
Result<void> add_trusted_proxy(Line& line, std::string_view value);
Result<void> add_trusted_proxy_header(Line& line, std::string_view value);
Result<void> accept_legacy_name(Line& line, std::string_view rest);

/// What a legacy directive's user should write today; empty when the name is not one.
std::string_view modern_equivalent(std::string_view directive) noexcept;

}  // namespace wsgix::httpd

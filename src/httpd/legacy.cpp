// SPDX-License-Identifier: Apache-2.0
// Names from other configurations that need nothing here: accepted with one warning each.
#include "directives.hpp"

namespace wsgix::httpd {
namespace {

constexpr struct {
  std::string_view name;
  std::string_view instead;
} kLegacy[] = {
    {"WSGIVerboseDebugging", "LogLevel wsgi:debug"},
    {"WSGIGroupAuthoritative", "Require directives inside <RequireAll>"},
    {"WSGIUserAuthoritative", "AuthBasicProvider with more than one provider"},
    {"WSGILazyInitialization", "nothing: Python is always started where it is needed"},
    {"WSGINewRelicConfigFile", "the agent's own start in the script"},
    {"WSGINewRelicEnvironment", "the agent's own start in the script"},
    {"WSGIPy3kWarningFlag", "nothing: it was for Python 2"},
    {"WSGIReloadMechanism", "WSGIScriptReloading"},
    {"WSGIOutputBuffering", "nothing: blocks are sent as the application yields them"},
    {"WSGIPythonExecutable", "WSGIPythonHome, or python-home= of WSGIDaemonProcess"},
    {"WSGIServerGroup", "WSGIApplicationGroup"},
    {"WSGIApacheExtensions", "nothing: applications get the environ alone"},
    {"WSGIAcceptMutex", "nothing: workers share a listening socket without a mutex"},
    {"WSGISocketRotation", "nothing: a group's socket stays across restarts"},
};

}  // namespace

std::string_view modern_equivalent(std::string_view directive) noexcept {
  for (const auto& legacy : kLegacy) {
    if (legacy.name == directive) return legacy.instead;
  }
  return {};
}

Result<void> accept_legacy_name(Line& line, std::string_view) {
  const std::string name = line.cmd.cmd->name;
  const Error error{ErrorCode::SettingHadNoEffect,
                    name + " (" + place_of(line.cmd) + ") has no effect in this module", 0,
                    "remove the line; instead use " + std::string(modern_equivalent(name))};
  log(*line.cmd.server, LogLevel::Warning, error);
  return {};
}

}  // namespace wsgix::httpd

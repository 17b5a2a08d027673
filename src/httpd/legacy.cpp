// SPDX-License-Identifier: Apache-2.0
// Names from other configurations that have no effect here: their values are checked where mod_wsgi
// checks them, and a value that asks for something gets one warning.
#include <fmt/format.h>

#include <algorithm>

#include "directives.hpp"
#include "words.hpp"
#include "wsgix/wsgi/environ.hpp"

namespace wsgix::httpd {
namespace {

/// What is wrong with the values of a line; empty: nothing.
using Check = std::string (*)(const NameList& values);

bool is_one_of(const std::string& value, std::initializer_list<std::string_view> accepted) {
  return std::any_of(accepted.begin(), accepted.end(),
                     [&](std::string_view one) { return wsgi::equals_ignoring_case(value, one); });
}

std::string any(const NameList&) { return {}; }

std::string flag(const NameList& values) {
  if (values.size() == 1 && wsgi::parse_flag(values[0])) return {};
  return "must be one of: Off | On";
}

std::string mutex(const NameList& values) {
  if (values.size() == 1 && is_one_of(values[0], {"default", "flock", "fcntl", "sysvsem",
                                                  "posixsem", "pthread", "sem"})) {
    return {};
  }
  return "must be one of: default | flock | fcntl | sysvsem | posixsem | pthread";
}

std::string telemetry_service(const NameList& values) {
  constexpr double kLeast = 0.5;
  if (values.empty() || values.size() > 2 || !values[0].starts_with("unix:")) {
    return "needs unix:/absolute/path, and may have interval=SECONDS";
  }
  if (values.size() == 1) return {};
  const std::string_view interval = values[1];
  constexpr std::string_view kName = "interval=";
  if (!interval.starts_with(kName)) return "has no other option than interval=SECONDS";
  const auto seconds = config::positive_number(interval.substr(kName.size()));
  return seconds && *seconds >= kLeast ? "" : "needs an interval of at least 0.5 seconds";
}

std::string seconds(const NameList& values) {
  const bool is_fine =
      values.size() == 1 && (values[0] == "0" || config::positive_number(values[0]));
  return is_fine ? "" : "needs a number of seconds";
}

std::string telemetry_options(const NameList& values) {
  const auto is_signed = [](const std::string& value) {
    return value.starts_with('+') || value.starts_with('-');
  };
  const auto with_sign = std::count_if(values.begin(), values.end(), is_signed);
  if (values.empty()) return "needs at least one option";
  if (with_sign != 0 && with_sign != static_cast<std::ptrdiff_t>(values.size())) {
    return "has options with and without a sign: either all have one, or none";
  }
  for (const std::string& value : values) {
    const bool is_known = is_signed(value) ? is_one_of(value.substr(1), {"CaptureUserAgent"})
                                           : is_one_of(value, {"CaptureUserAgent", "None", "All"});
    if (!is_known) return "has no option '" + value + "'";
  }
  return {};
}

constexpr const char* kNoMetrics = "nothing: this version has no metrics and no telemetry";

constexpr struct Row {
  std::string_view name;
  Check check;
  std::string_view quiet;  ///< the value that asks for nothing that is not so anyway
  std::string_view instead;
} kRows[] = {
    {"WSGIVerboseDebugging", flag, "off", "LogLevel wsgi:debug"},
    {"WSGIGroupAuthoritative", flag, "", "Require directives inside <RequireAll>"},
    {"WSGIUserAuthoritative", any, "", "AuthBasicProvider with more than one provider"},
    {"WSGILazyInitialization", any, "", "nothing: Python is always started where it is needed"},
    {"WSGINewRelicConfigFile", any, "", "the agent's own start in the script"},
    {"WSGINewRelicEnvironment", any, "", "the agent's own start in the script"},
    {"WSGIPy3kWarningFlag", any, "", "nothing: it was for Python 2"},
    {"WSGIReloadMechanism", any, "", "WSGIScriptReloading"},
    {"WSGIOutputBuffering", any, "", "nothing: blocks are sent as the application yields them"},
    {"WSGIPythonExecutable", any, "", "WSGIPythonHome, or python-home= of WSGIDaemonProcess"},
    {"WSGIServerGroup", any, "", "WSGIApplicationGroup"},
    {"WSGIApacheExtensions", any, "", "WSGIPassApacheRequest"},
    {"WSGIAcceptMutex", mutex, "default",
     "nothing: workers share a listening socket without a mutex"},
    {"WSGISocketRotation", flag, "off", "nothing: a group's socket stays across restarts"},
    {"WSGIEnableSendfile", flag, "off", "EnableSendfile of httpd, which decides alone"},
    {"WSGIDestroyInterpreter", flag, "on", "nothing: exit handlers run wherever there is time"},
    {"WSGIPerInterpreterGIL", flag, "off", "nothing: interpreters share the GIL in this version"},
    {"WSGIFreeThreading", flag, "off", "nothing: this version does not load free-threaded Pythons"},
    {"WSGIServerMetrics", flag, "off", kNoMetrics},
    {"WSGITelemetryService", telemetry_service, "", kNoMetrics},
    {"WSGISlowRequests", seconds, "0", kNoMetrics},
    {"WSGITelemetryOptions", telemetry_options, "none", kNoMetrics},
};

Result<NameList> all_words(const Line& line, std::string_view rest) {
  NameList words;
  while (!at_end(rest)) {
    Result<std::string> word = take_word(rest);
    if (!word) return refused(line, word.error().what);
    words.push_back(std::move(*word));
  }
  return words;
}

}  // namespace

Result<void> accept_name_without_effect(Line& line, std::string_view rest) {
  const std::string_view name = line.cmd.cmd->name;
  const Row& row = *std::find_if(std::begin(kRows), std::end(kRows),
                                 [&](const Row& one) { return one.name == name; });
  const Result<NameList> values = all_words(line, rest);
  if (!values) return failed(values);
  if (const std::string why = row.check(*values); !why.empty()) {
    return refused(line, fmt::format("{} {}, not '{}'", name, why, fmt::join(*values, " ")));
  }
  if (values->size() == 1 && wsgi::equals_ignoring_case(values->front(), row.quiet)) return {};
  notice(line, {ErrorCode::SettingHadNoEffect, fmt::format("{} has no effect in this module", name),
                0, fmt::format("remove the line; instead use {}", row.instead)});
  return {};
}

}  // namespace wsgix::httpd

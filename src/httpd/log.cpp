// SPDX-License-Identifier: Apache-2.0
#include "log.hpp"

#include <string>

namespace wsgix::httpd {
namespace {

constexpr const char* kNoFile = nullptr;

int number_of(LogLevel level) { return static_cast<int>(level); }

/// The source file of a record must be NUL-terminated for httpd.
struct Place {
  Place(std::string_view source, unsigned source_line)
      : text(source),
        file(text.empty() ? kNoFile : text.c_str()),
        line(static_cast<int>(source_line)) {}
  std::string text;
  const char* file;
  int line;
};

int precision(std::string_view text) {
  return static_cast<int>(std::min<std::size_t>(text.size(), 8192));
}

}  // namespace

void log(const server_rec& server, LogLevel level, const Error& error) {
  log_line(server, level, {}, 0, to_log_line(error));
}

void log(const request_rec& r, LogLevel level, const Error& error) {
  log_line(r, level, {}, 0, to_log_line(error));
}

void log_line(const server_rec& server, LogLevel level, std::string_view file, unsigned line,
              std::string_view text) {
  if (!APLOG_MODULE_IS_LEVEL(&server, APLOG_MODULE_INDEX, number_of(level))) return;
  const Place place(file, line);
  ap_log_error_(place.file, place.line, APLOG_MODULE_INDEX, number_of(level), 0, &server, "%.*s",
                precision(text), text.data());
}

void log_line(const request_rec& r, LogLevel level, std::string_view file, unsigned line,
              std::string_view text) {
  if (!APLOG_R_MODULE_IS_LEVEL(&r, APLOG_MODULE_INDEX, number_of(level))) return;
  const Place place(file, line);
  ap_log_rerror_(place.file, place.line, APLOG_MODULE_INDEX, number_of(level), 0, &r, "%.*s",
                 precision(text), text.data());
}

}  // namespace wsgix::httpd

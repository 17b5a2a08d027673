// SPDX-License-Identifier: Apache-2.0
// httpd/log.hpp: our errors as lines of httpd's error log.
#pragma once

#include <string_view>

#include "httpd_api.hpp"
#include "wsgix/base/error.hpp"
#include "wsgix/base/log_sink.hpp"

namespace wsgix::httpd {

void log(const server_rec& server, LogLevel level, const Error& error);
void log(const request_rec& r, LogLevel level, const Error& error);

/// The hook error_log: httpd's word on how much of our line had room behind its prefix.
void note_written(const ap_errorlog_info*, const char* message) noexcept;

/// Lines that are complete already. An empty `file` is left out of the record.
void log_line(const server_rec& server, LogLevel level, std::string_view file, unsigned line,
              std::string_view text);
void log_line(const request_rec& r, LogLevel level, std::string_view file, unsigned line,
              std::string_view text);

}  // namespace wsgix::httpd

// SPDX-License-Identifier: Apache-2.0
#include "log.hpp"

#include <algorithm>
#include <cstring>
#include <string>

#include "host_settings.hpp"
#include "wsgix/base/log_text.hpp"
#include "wsgix/os/error_log.hpp"

namespace wsgix::httpd {
namespace {

constexpr const char* kNoFile = nullptr;
constexpr std::size_t kLongestFileName = 256;

int number_of(LogLevel level) { return static_cast<int>(level); }

/// httpd writes the source file of a record (%F) as it is. It may come from a worker: nothing in it
/// may end a line or look like another field.
std::string as_file_name(std::string_view source) {
  std::string text(source.substr(0, kLongestFileName));
  std::replace_if(
      text.begin(), text.end(),
      [](char c) {
        return c <= 0x20 || c >= 0x7f || std::strchr("[](){}<>\"'`\\:;,=", c) != nullptr;
      },
      '?');
  return text;
}

struct SourceLocation {
  SourceLocation(std::string_view source, unsigned source_line)
      : text(as_file_name(source)),
        file(text.empty() ? kNoFile : text.c_str()),
        line(static_cast<int>(source_line)) {}
  std::string text;
  const char* file;
  int line;
};

/// What httpd's hook has seen of the line that this thread is writing: its format may put so much
/// before the message (%{Referer}i) that not all of it has room.
struct Written {
  bool is_known = false;
  std::size_t bytes = 0;  ///< escaped
};
thread_local Written* being_written = nullptr;

/// How much of `text` is in the log.
std::size_t written_size(std::string_view text, const Written& written) {
  if (!written.is_known || written.bytes >= escaped_size(text)) return text.size();
  std::size_t size = 0;
  for (std::size_t used = 0; size < text.size(); ++size) {
    used += escaped_size(text.substr(size, 1));
    if (used > written.bytes) break;
  }
  return size;
}

/// Runs `write(text)` and returns what has found no room.
template <typename Write>
std::string_view rest_after(std::string_view text, Write write) {
  Written written;
  being_written = &written;
  write(static_cast<int>(text.size()), text.data());
  being_written = nullptr;
  return text.substr(written_size(text, written));
}

/// httpd's formats end at a NUL.
std::string without_nul(std::string_view text) {
  std::string safe;
  for (const char c : text) c == '\0' ? safe += "\\x00" : safe += c;
  return safe;
}

/// Without the request the prefix is short; when even that is not, with a prefix of our own.
void write_rest(const server_rec& server, LogLevel level, const SourceLocation& location,
                std::string_view rest) {
  const std::string text = continuation_mark() + std::string(rest);
  const std::string_view left = rest_after(text, [&](int size, const char* data) {
    ap_log_error_(location.file, location.line, APLOG_MODULE_INDEX, number_of(level), 0, &server,
                  "%.*s", size, data);
  });
  if (left.empty()) return;
  if (const int descriptor = error_log_of(server); descriptor >= 0) {
    os::ErrorLog(descriptor, level).write(level, left);
  }
}

/// `write` is httpd's call for one line.
template <typename Write>
void write_pieces(const server_rec& server, LogLevel level, const SourceLocation& location,
                  std::string_view text, Write write) {
  for_each_log_piece(text, [&](std::string_view piece) {
    std::string safe;
    if (piece.find('\0') != std::string_view::npos) piece = safe = without_nul(piece);
    const std::string_view rest = rest_after(piece, write);
    if (!rest.empty()) write_rest(server, level, location, rest);
  });
}

}  // namespace

void note_written(const ap_errorlog_info*, const char* message) noexcept {
  if (being_written == nullptr || message == nullptr) return;
  // Where it has cut a line, the hook is shown the newline too.
  *being_written = {true, std::strcspn(message, "\n")};
}

void log(const server_rec& server, LogLevel level, const Error& error) {
  log_line(server, level, {}, 0, to_log_line(error));
}

void log(const request_rec& r, LogLevel level, const Error& error) {
  log_line(r, level, {}, 0, to_log_line(error));
}

void log_line(const server_rec& server, LogLevel level, std::string_view file, unsigned line,
              std::string_view text) {
  if (!APLOG_MODULE_IS_LEVEL(&server, APLOG_MODULE_INDEX, number_of(level))) return;
  const SourceLocation location(file, line);
  write_pieces(server, level, location, text, [&](int size, const char* data) {
    ap_log_error_(location.file, location.line, APLOG_MODULE_INDEX, number_of(level), 0, &server,
                  "%.*s", size, data);
  });
}

void log_line(const request_rec& r, LogLevel level, std::string_view file, unsigned line,
              std::string_view text) {
  if (!APLOG_R_MODULE_IS_LEVEL(&r, APLOG_MODULE_INDEX, number_of(level))) return;
  const SourceLocation location(file, line);
  write_pieces(*r.server, level, location, text, [&](int size, const char* data) {
    ap_log_rerror_(location.file, location.line, APLOG_MODULE_INDEX, number_of(level), 0, &r,
                   "%.*s", size, data);
  });
}

}  // namespace wsgix::httpd

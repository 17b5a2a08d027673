// SPDX-License-Identifier: Apache-2.0
// base/log_text.hpp: how text becomes lines of an error log: what is escaped, and where a long line
// is split. The one rule for lines that httpd writes and for those that we write.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace wsgix {

/// What one line of the log holds of a text, counted as it is written. httpd cuts at 8192 with the
/// prefix; a pipe to a logger mixes writes of more than PIPE_BUF (4096) of different processes.
inline constexpr std::size_t kLogPieceBytes = 3500;

/// As httpd's ap_escape_errorlog_item(): two bytes for a backslash and \b \n \r \t \v, four (\xNN)
/// for each other byte that is not printable ASCII.
std::size_t escaped_size(std::string_view text) noexcept;
void append_escaped(std::string& out, std::string_view text);

/// How much of `text` fits into `room` once it is escaped, at least one byte: all of it, or up to
/// and with a blank near the end of the room, or a whole UTF-8 sequence.
std::size_t fitting_size(std::string_view text, std::size_t room) noexcept;

/// "[+89abcdef]": ends a piece that goes on, and begins the piece that it goes on with.
std::string continuation_mark();

/// Calls take(std::string_view) for each line of the log that `line` makes: once, without a copy,
/// for a short one. The longer ones are joined again by leaving out the marks.
template <typename Take>
void for_each_log_piece(std::string_view line, Take take) {
  if (fitting_size(line, kLogPieceBytes) >= line.size()) return take(line);
  const std::string mark = continuation_mark();
  const std::size_t room = kLogPieceBytes - 2 * mark.size();
  std::string piece;
  while (!line.empty()) {
    const std::size_t size = fitting_size(line, room);
    piece += line.substr(0, size);
    line.remove_prefix(size);
    if (!line.empty()) piece += mark;
    take(std::string_view(piece));
    piece = mark;
  }
}

}  // namespace wsgix

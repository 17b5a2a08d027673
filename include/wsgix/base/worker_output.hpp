// SPDX-License-Identifier: Apache-2.0
// base/worker_output.hpp: what goes through the pipe that is descriptor 1 and 2 of a worker: text
// of any program, and records, which are log lines of our own code there. Pure.
//
// Nothing in it is to be believed: the worker's code writes records, but anybody there can.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "wsgix/base/log_sink.hpp"

namespace wsgix {

/// A line of the error log to be.
struct OutputLine {
  LogLevel level = LogLevel::Error;
  std::uint32_t thread = 0;  ///< 0: not said
  std::string text;
};

/// A line that keeps its level and thread. With what base/log_text.hpp makes of a long one it is
/// shorter than PIPE_BUF, so that one write(2) is not mixed with what others write.
inline constexpr std::size_t kOutputRecordHeadBytes = 21;
std::string encode_output_record(LogLevel level, std::uint32_t thread, std::string_view text);

/// Bytes in, lines out. No byte is lost, whatever they are; a record in the middle of a line that
/// has not ended yet comes before that line.
class OutputLines {
 public:
  /// What is held back of a line whose end has not been written.
  static constexpr std::size_t kMostHeld = 1024 * 1024;

  void add(std::string_view bytes);
  /// The next whole line. One without an end when it holds more than kMostHeld.
  std::optional<OutputLine> next();
  /// After next(): what is left, although its end has not come.
  std::optional<OutputLine> rest();
  bool is_empty() const noexcept { return begin_ == bytes_.size(); }

 private:
  OutputLine take_text(std::size_t end, std::size_t newline);

  std::string bytes_;
  std::size_t begin_ = 0;    ///< what is before it has been taken
  std::size_t scanned_ = 0;  ///< from begin_ to here there is neither a newline nor a record
};

}  // namespace wsgix

// SPDX-License-Identifier: Apache-2.0
#include "log_target.hpp"

#include <fmt/format.h>

#include "text.hpp"
#include "wsgix/base/log_text.hpp"

namespace wsgix::python {

std::string printable(std::string_view line) {
  std::string text;
  text.reserve(line.size());
  for (const char c : line) {
    const auto byte = static_cast<unsigned char>(c);
    if ((byte < 0x20 && c != '\t') || byte == 0x7f)
      text += fmt::format("\\x{:02x}", byte);
    else
      text += c;
  }
  return text;
}
void LogTarget::text(int level, std::string_view text) const {
  while (!text.empty()) {
    const std::size_t end = text.find('\n');
    std::string_view line = text.substr(0, end);
    text = end == std::string_view::npos ? std::string_view() : text.substr(end + 1);
    if (line.ends_with('\r')) line.remove_suffix(1);
    for_each_log_piece(line, [&](std::string_view piece) { record(level, piece); });
  }
}

void LogTarget::record(int level, std::string_view line) const {
  if (request_)
    request_->calls->log(request_->stream, level, wsgix_text{"", 0}, 0, text_of(line));
  else
    process_->log(process_->log_context, level, wsgix_text{"", 0}, 0, text_of(line));
}

}  // namespace wsgix::python

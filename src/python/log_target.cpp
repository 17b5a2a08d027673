// SPDX-License-Identifier: Apache-2.0
#include "log_target.hpp"

#include <fmt/format.h>

#include "text.hpp"

namespace wsgix::python {
namespace {

bool must_be_escaped(char c) {
  const auto byte = static_cast<unsigned char>(c);
  return (byte < 0x20 && c != '\t') || byte == 0x7f;
}

}  // namespace

std::size_t record_size(std::string_view line) {
  if (line.size() <= kLogLineBytes) return line.size();
  std::size_t size = kLogLineBytes;
  const auto continues = [&](std::size_t at) {
    return (static_cast<unsigned char>(line[at]) & 0xc0) == 0x80;
  };
  while (size > kLogLineBytes - 4 && continues(size)) --size;
  return size;
}

std::string printable(std::string_view line) {
  std::string text;
  text.reserve(line.size());
  for (const char c : line) {
    if (must_be_escaped(c))
      text += fmt::format("\\x{:02x}", static_cast<unsigned char>(c));
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
    if (line.empty()) record(level, line);
    while (!line.empty()) {
      const std::size_t size = record_size(line);
      record(level, line.substr(0, size));
      line.remove_prefix(size);
    }
  }
}

void LogTarget::record(int level, std::string_view line) const {
  const std::string safe = printable(line);
  if (request_)
    request_->calls->log(request_->stream, level, wsgix_text{"", 0}, 0, text_of(safe));
  else
    process_->log(process_->log_context, level, wsgix_text{"", 0}, 0, text_of(safe));
}

}  // namespace wsgix::python

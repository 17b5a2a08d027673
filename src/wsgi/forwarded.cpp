// SPDX-License-Identifier: Apache-2.0
#include "forwarded.hpp"

#include <algorithm>

#include "wsgix/wsgi/environ.hpp"

namespace wsgix::wsgi {
namespace {

constexpr std::string_view kBlanks = " \t";

std::string_view trimmed(std::string_view text) noexcept {
  const std::size_t begin = text.find_first_not_of(kBlanks);
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(kBlanks) - begin + 1);
}

/// Reads a Forwarded header from the left.
class Reader {
 public:
  explicit Reader(std::string_view text) : text_(text) {}

  std::size_t position() const noexcept { return at_; }
  bool at_end() const noexcept { return at_ == text_.size(); }
  bool at(char c) const noexcept { return !at_end() && text_[at_] == c; }
  void skip_blanks() noexcept {
    at_ = std::min(text_.find_first_not_of(kBlanks, at_), text_.size());
  }
  bool skip(char c) noexcept {
    if (!at(c)) return false;
    ++at_;
    return true;
  }
  std::string_view take_name() noexcept { return take_until(kBlanks, "=;,\""); }

  std::optional<std::string> take_value() {
    if (at('"')) return take_quoted();
    // Colons and brackets need quotes by the RFC; common proxies leave them out.
    const std::string_view word = take_until(kBlanks, "=;,\"");
    return word.empty() ? std::nullopt : std::optional(std::string(word));
  }

 private:
  std::string_view take_until(std::string_view some, std::string_view others) noexcept {
    const std::size_t begin = at_;
    while (!at_end() && some.find(text_[at_]) == some.npos &&
           others.find(text_[at_]) == some.npos) {
      ++at_;
    }
    return text_.substr(begin, at_ - begin);
  }

  std::optional<std::string> take_quoted() {
    std::string value;
    for (++at_; !at_end(); ++at_) {
      if (at('"')) {
        ++at_;
        return value;
      }
      if (at('\\') && ++at_ == text_.size()) break;
      value += text_[at_];
    }
    return std::nullopt;
  }

  std::string_view text_;
  std::size_t at_ = 0;
};

std::optional<std::string>* member_named(ForwardedElement& element, std::string_view name) {
  if (equals_ignoring_case(name, "for")) return &element.client;
  if (equals_ignoring_case(name, "host")) return &element.host;
  if (equals_ignoring_case(name, "proto")) return &element.scheme;
  return nullptr;
}

/// name=value; a name that the rules do not need is read and dropped.
bool read_pair(Reader& reader, ForwardedElement& element) {
  const std::string_view name = reader.take_name();
  if (name.empty() || !reader.skip('=')) return false;
  std::optional<std::string> value = reader.take_value();
  if (!value) return false;
  if (std::optional<std::string>* const member = member_named(element, name)) {
    // "Each parameter MUST NOT occur more than once per field-value" (RFC 7239, section 4).
    if (*member) return false;
    *member = std::move(value);
  }
  return true;
}

/// Pairs up to a comma or the end.
bool read_element(Reader& reader, ForwardedElement& element) {
  while (true) {
    reader.skip_blanks();
    if (!reader.at_end() && !reader.at(';') && !reader.at(',')) {
      if (!read_pair(reader, element)) return false;
      reader.skip_blanks();
    }
    if (reader.at_end() || reader.at(',')) return true;
    if (!reader.skip(';')) return false;
  }
}

}  // namespace

std::vector<std::string_view> split_forwarded_for(std::string_view value) {
  std::vector<std::string_view> elements;
  while (!value.empty()) {
    const std::size_t comma = std::min(value.find(','), value.size());
    const std::string_view element = trimmed(value.substr(0, comma));
    if (!element.empty()) elements.push_back(element);
    value.remove_prefix(std::min(comma + 1, value.size()));
  }
  return elements;
}

std::optional<std::vector<ForwardedElement>> parse_forwarded(std::string_view value) {
  std::vector<ForwardedElement> elements;
  Reader reader(value);
  while (!reader.at_end()) {
    const std::size_t begin = reader.position();
    ForwardedElement element;
    if (!read_element(reader, element)) return std::nullopt;
    element.text = trimmed(value.substr(begin, reader.position() - begin));
    if (!element.text.empty()) elements.push_back(std::move(element));
    reader.skip(',');
  }
  return elements;
}

}  // namespace wsgix::wsgi

// SPDX-License-Identifier: Apache-2.0
// Lines: a status, a header's name, its value (the rest). What no rule objects to can be written
// into a response without becoming anything else there.
#include <string>

#include "fuzz_input.hpp"
#include "wsgix/wsgi/environ.hpp"
#include "wsgix/wsgi/response_rules.hpp"

namespace {

using namespace wsgix;

bool is_printable(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return c >= ' ' && c <= '~'; });
}

void objection_can_be_logged(const wsgi::Objection& objection) {
  if (objection) fuzz::require(!objection->empty() && is_printable(*objection));
}

void check_status(std::string_view status) {
  const wsgi::Objection objection = wsgi::object_to_status(status);
  objection_can_be_logged(objection);
  if (objection) return;
  const wsgi::StatusLine line = wsgi::split_status(status);
  fuzz::require(line.code >= 200 && line.code <= 999);
  fuzz::require(std::to_string(line.code) == status.substr(0, 3));
  fuzz::require(line.reason.find_first_of(std::string_view("\r\n\0", 3)) == line.reason.npos);
}

void check_header(std::string_view name, std::string_view value) {
  const wsgi::Objection to_name = wsgi::object_to_header_name(name);
  const wsgi::Objection to_value = wsgi::object_to_header_value(value);
  objection_can_be_logged(to_name);
  objection_can_be_logged(to_value);
  if (!to_name) fuzz::require(name.find_first_of(": \t\r\n()<>@,;\\\"/[]?={}") == name.npos);
  if (!to_value) fuzz::require(value.find_first_of(std::string_view("\r\n\0", 3)) == value.npos);
  if (wsgi::is_hop_by_hop(name)) fuzz::require(!to_name);
}

void check_length(std::string_view value) {
  const auto of_response = wsgi::parse_content_length(value);
  const auto of_request = wsgi::parse_body_length(value);
  if (of_response) fuzz::require(*of_response <= INT64_MAX);
  // Blanks around it are all that a response may have more.
  if (of_request) {
    fuzz::require(of_response && *of_response == static_cast<std::uint64_t>(*of_request));
  }
  if (of_response && value.find_first_of(" \t") == value.npos)
    fuzz::require(of_request.has_value());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string_view rest = fuzz::view_of(data, size);
  const std::string_view status = fuzz::take_line(rest);
  const std::string_view name = fuzz::take_line(rest);
  check_status(status);
  check_header(name, rest);
  check_length(rest);
  const std::string shown = wsgi::bytes_repr(rest);
  fuzz::require(is_printable(shown) && shown.size() >= rest.size() + 3 && shown.front() == 'b');
  return 0;
}

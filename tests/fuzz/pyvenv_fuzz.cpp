// SPDX-License-Identifier: Apache-2.0
// A pyvenv.cfg, which belongs to whoever runs the application and is read by root.
#include "fuzz_input.hpp"
#include "runtime/pyvenv.hpp"

namespace {

using namespace wsgix;

bool is_version(std::string_view text) {
  return text.empty() || (text.find_first_not_of("0123456789.") == text.npos &&
                          std::count(text.begin(), text.end(), '.') == 1 && text.front() != '.' &&
                          text.back() != '.');
}

bool is_one_trimmed_line(std::string_view text) {
  constexpr std::string_view kBlanks = " \t\r\n";
  return text.empty() || (text.find('\n') == text.npos && kBlanks.find(text.front()) == text.npos &&
                          kBlanks.find(text.back()) == text.npos);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text = fuzz::view_of(data, size);
  const runtime::Pyvenv found = runtime::parse_pyvenv(text);
  fuzz::require(is_version(found.version) && is_version(runtime::minor_version_of(text)));
  fuzz::require(is_version(runtime::version_in_library_name(text)));
  fuzz::require(is_one_trimmed_line(found.home) && is_one_trimmed_line(found.executable));
  return 0;
}

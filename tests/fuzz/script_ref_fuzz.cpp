// SPDX-License-Identifier: Apache-2.0
// A script as a process tells another one of it. What is understood is told again alike.
#include "fuzz_input.hpp"
#include "wsgix/wsgi/script_ref.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace wsgix;
  const std::string_view bytes = fuzz::view_of(data, size);
  const auto script = wsgi::decode_script(bytes);
  if (!script) return 0;
  std::string again;
  wsgi::encode(*script, again);
  fuzz::require(again == bytes);
  fuzz::require(wsgi::is_same_script(wsgi::owned(*script), wsgi::as_configured(*script)));
  return 0;
}

// SPDX-License-Identifier: Apache-2.0
// What the parent tells a host. The first byte chooses: 'R', the frame as it travels; anything
// else, lines NAME=VALUE that change complete settings. What is understood is told again alike.
#include <string>
#include <vector>

#include "fuzz_input.hpp"
#include "wsgix/config/daemon_settings.hpp"
#include "wsgix/wire/messages.hpp"

namespace {

using namespace wsgix;

std::vector<config::Field> fields_of(std::string_view frame) {
  std::vector<config::Field> fields;
  if (const auto views = wire::decode_fields(frame)) {
    for (const auto& [name, value] : *views) fields.emplace_back(name, value);
  }
  return fields;
}

std::vector<config::Field> changed_defaults(std::string_view lines) {
  std::vector<config::Field> fields = config::to_fields({});
  while (!lines.empty()) {
    const std::string_view line = fuzz::take_line(lines);
    const std::size_t equals = std::min(line.find('='), line.size());
    for (auto& [name, value] : fields) {
      if (name == line.substr(0, equals)) value = line.substr(std::min(equals + 1, line.size()));
    }
  }
  return fields;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view bytes = fuzz::view_of(data, size);
  if (bytes.empty()) return 0;
  const bool is_frame = bytes.front() == 'R';
  const auto settings = config::from_fields(is_frame ? fields_of(bytes.substr(1))
                                                     : changed_defaults(bytes.substr(1)));
  if (!settings) return 0;
  const auto again = config::from_fields(config::to_fields(*settings));
  fuzz::require(again && *again == *settings);
  return 0;
}

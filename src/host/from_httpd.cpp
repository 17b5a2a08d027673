// SPDX-License-Identifier: Apache-2.0
#include "from_httpd.hpp"

#include "wsgix/os/sealed_memory.hpp"
#include "wsgix/wire/frame.hpp"
#include "wsgix/wire/messages.hpp"

namespace wsgix::host {

Result<config::HostSettings> read_settings(int descriptor) {
  const auto bytes = os::read_sealed(descriptor, wire::kMaxPayloadBytes);
  if (!bytes) {
    return failed(ErrorCode::BadHostSettings, "settings: " + bytes.error().what,
                  bytes.error().os_errno);
  }
  const auto views = wire::decode_fields(*bytes);
  if (!views) return failed(ErrorCode::BadHostSettings, "settings: " + views.error().what);

  std::vector<config::Field> fields;
  fields.reserve(views->size());
  for (const auto& [name, value] : *views) fields.emplace_back(name, value);
  return config::from_fields(fields);
}

}  // namespace wsgix::host

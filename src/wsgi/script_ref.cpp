// SPDX-License-Identifier: Apache-2.0
#include "wsgix/wsgi/script_ref.hpp"

namespace wsgix::wsgi {

OwnedScriptRef owned(const ScriptRef& script) {
  return {std::string(script.path),     std::string(script.application_group),
          std::string(script.callable), script.reloading,
          script.named_by_request,      script.modified_us};
}

ScriptRef as_configured(ScriptRef script) noexcept {
  script.named_by_request = false;
  script.modified_us = 0;
  return script;
}

bool is_same_script(const ScriptRef& one, const ScriptRef& other) noexcept {
  return one.path == other.path && one.application_group == other.application_group &&
         one.callable == other.callable;
}

void encode(const ScriptRef& script, std::string& out) {
  put_number(out, static_cast<std::uint8_t>(script.reloading));
  put_number(out, static_cast<std::uint8_t>(script.named_by_request));
  put_number(out, script.modified_us);
  for (const std::string_view text : {script.path, script.application_group, script.callable}) {
    put_text(out, text);
  }
}

std::optional<ScriptRef> take_script(ByteReader& from) noexcept {
  constexpr auto kLastReloading = static_cast<std::uint8_t>(ScriptReloading::Rolling);
  const auto reloading = from.number<std::uint8_t>();
  const auto named_by_request = from.number<std::uint8_t>();
  const auto modified = from.number<std::int64_t>();
  const auto path = from.text();
  const auto application_group = from.text();
  const auto callable = from.text();
  // A failed read consumes nothing, so a later, smaller one may still succeed: look at each.
  if (!reloading || !named_by_request || !modified || !path || !application_group || !callable) {
    return std::nullopt;
  }
  if (*reloading > kLastReloading || *named_by_request > 1 || *modified < 0) return std::nullopt;
  return ScriptRef{*path,
                   *application_group,
                   *callable,
                   static_cast<ScriptReloading>(*reloading),
                   *named_by_request != 0,
                   *modified};
}

std::optional<ScriptRef> decode_script(std::string_view bytes) noexcept {
  ByteReader reader(bytes);
  const auto script = take_script(reader);
  return reader.remaining() == 0 ? script : std::nullopt;
}

}  // namespace wsgix::wsgi

// SPDX-License-Identifier: Apache-2.0
// wsgi/script_ref.hpp: which script is meant, in which interpreter, and how it is reloaded. The one
// form in which processes tell each other of a script.
#pragma once

#include <concepts>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "wsgix/base/bytes.hpp"

namespace wsgix::wsgi {

/// WSGIScriptReloading.
enum class ScriptReloading : std::uint8_t {
  Off = 0,
  On = 1,       ///< a request that finds it changed is answered by the new version
  Rolling = 2,  ///< the old version serves until the new one has been loaded
};

template <typename Text>
struct BasicScriptRef {
  Text path;               ///< its file, as the process that executes it sees it
  Text application_group;  ///< "" is the main interpreter
  Text callable;           ///< "": it need not have one
  ScriptReloading reloading = ScriptReloading::Off;
  bool named_by_request = false;  ///< the application group: %{HOST}, %{ENV:...}
  std::int64_t modified_us = 0;   ///< as seen by whoever names it; since 1970, 0: unknown

  bool operator==(const BasicScriptRef&) const = default;
  operator BasicScriptRef<std::string_view>() const noexcept
      requires(std::same_as<Text, std::string>) {
    return {path, application_group, callable, reloading, named_by_request, modified_us};
  }
};

using ScriptRef = BasicScriptRef<std::string_view>;  ///< borrows its texts
using OwnedScriptRef = BasicScriptRef<std::string>;

OwnedScriptRef owned(const ScriptRef& script);
/// Without what is true of one request only: the time, and who named its application group.
ScriptRef as_configured(ScriptRef script) noexcept;
/// The same callable of the same file in the same interpreter, however it is reloaded.
bool is_same_script(const ScriptRef& one, const ScriptRef& other) noexcept;

/// Appends u8 reloading, u8 named by the request, i64 time, and path, group and callable as texts.
void encode(const ScriptRef& script, std::string& out);
/// What encode() writes, as views of those bytes. nullopt: there is no script.
std::optional<ScriptRef> take_script(ByteReader& from) noexcept;
/// Likewise, and nothing else.
std::optional<ScriptRef> decode_script(std::string_view bytes) noexcept;

}  // namespace wsgix::wsgi

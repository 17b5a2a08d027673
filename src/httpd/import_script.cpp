// SPDX-License-Identifier: Apache-2.0
// WSGIImportScript: a script that each process of a group loads when it starts.
#include <optional>

#include "directives.hpp"
#include "words.hpp"

namespace wsgix::httpd {
namespace {

Result<void> set_option(const Line& line, ImportScript& import, const Option& option) {
  std::optional<std::string>* const into = option.name == "process-group" ? &import.process_group
                                           : option.name == "application-group"
                                               ? &import.application_group
                                               : nullptr;
  if (into == nullptr) {
    return failed(ErrorCode::UnknownOption,
                  "WSGIImportScript: Invalid option to WSGI import script definition: '" +
                      option.name + "' is not one of process-group, application-group (" +
                      import.place + ")");
  }
  if (option.value.empty()) return refused(line, option.name + "= needs a name");
  // The only token: there is no request that could say what another one means.
  *into = option.value == "%{GLOBAL}" ? std::string() : option.value;
  return {};
}

}  // namespace

Result<void> add_import_script(Line& line, std::string_view rest) {
  ImportScript import;
  import.place = place_of(line.cmd);
  Result<std::string> script = take_word(rest);
  if (!script) return refused(line, script.error().what);
  if (script->empty()) return refused(line, "needs the path of a script");
  import.script = std::move(*script);
  while (!at_end(rest)) {
    const Result<Option> option = take_option(rest);
    if (!option) {
      return failed(option.error().code,
                    "WSGIImportScript: Invalid option to WSGI import script definition: " +
                        option.error().what + " (" + import.place + ")");
    }
    if (const Result<void> set = set_option(line, import, *option); !set) return set;
    warn_of_value(line, *option, {});
  }
  if (!import.process_group) return refused(line, "Name of WSGI process group required.");
  if (!import.application_group) return refused(line, "Name of WSGI application group required.");
  line.server.imports.push_back(std::move(import));
  return {};
}

}  // namespace wsgix::httpd

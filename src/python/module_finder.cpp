// SPDX-License-Identifier: Apache-2.0
#include "module_finder.hpp"

#include <fmt/format.h>

#include <filesystem>
#include <system_error>

namespace wsgix::python {
namespace {

namespace fs = std::filesystem;

// From the script upwards; nobody keeps an environment further away.
constexpr int kMostParents = 6;

/// A package, a source file, or an extension module with any suffix.
bool has_module(const fs::path& folder, const std::string& module) {
  std::error_code ignored;
  if (fs::is_directory(folder / module, ignored)) return true;
  for (fs::directory_iterator at(folder, ignored), end; !ignored && at != end;
       at.increment(ignored)) {
    const std::string name = at->path().filename().string();
    if (name == module + ".py" || (name.starts_with(module + ".") && name.ends_with(".so")))
      return true;
  }
  return false;
}

bool environment_has(const fs::path& environment, const std::string& module) {
  std::error_code ignored;
  if (!fs::exists(environment / "pyvenv.cfg", ignored)) return false;
  for (const char* lib : {"lib", "lib64"}) {
    for (fs::directory_iterator at(environment / lib, ignored), end; !ignored && at != end;
         at.increment(ignored)) {
      if (at->path().filename().string().starts_with("python3") &&
          has_module(at->path() / "site-packages", module))
        return true;
    }
    ignored.clear();
  }
  return false;
}

std::string setting(std::string_view process_group, std::string_view option,
                    std::string_view directive, const fs::path& value) {
  return process_group.empty()
             ? fmt::format("'{} {}'", directive, value.string())
             : fmt::format("{}={} to WSGIDaemonProcess {}", option, value.string(), process_group);
}

}  // namespace

std::string advice_for_missing_module(std::string_view module, const std::string& script,
                                      const std::string& prefix, std::string_view process_group) {
  const std::string top(module.substr(0, module.find('.')));
  if (top.empty()) return {};
  fs::path folder = fs::path(script).parent_path();
  for (int i = 0; i < kMostParents && !folder.empty(); ++i, folder = folder.parent_path()) {
    for (const char* name : {"venv", ".venv", "env", ""}) {
      const fs::path environment = *name ? folder / name : folder;
      if (environment != prefix && environment_has(environment, top)) {
        return fmt::format("{} is installed in {}: add {}", top, environment.string(),
                           setting(process_group, "python-home", "WSGIPythonHome", environment));
      }
    }
    if (folder != folder.root_path() && has_module(folder, top)) {
      return fmt::format("{} lies in {}: add {}", top, folder.string(),
                         setting(process_group, "python-path", "WSGIPythonPath", folder));
    }
    if (folder == folder.root_path()) break;
  }
  return {};
}

}  // namespace wsgix::python

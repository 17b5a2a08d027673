// SPDX-License-Identifier: Apache-2.0
#include "module_finder.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>
#include <string_view>
#include <system_error>

namespace wsgix::python {
namespace {

namespace fs = std::filesystem;

// From the script upwards; nobody keeps an environment further away.
constexpr int kMostParents = 6;

bool is_extension(const std::string& name, const std::string& module) {
  return name.starts_with(module + ".") && name.ends_with(".so");
}

/// A file that Python imports under that name: source, bytecode, or an extension module.
bool has_file(const fs::path& folder, const std::string& module) {
  std::error_code ignored;
  for (fs::directory_iterator at(folder, ignored), end; !ignored && at != end;
       at.increment(ignored)) {
    const std::string name = at->path().filename().string();
    if (name == module + ".py" || name == module + ".pyc" || is_extension(name, module))
      return true;
  }
  return false;
}

bool is_package(const fs::path& folder) { return has_file(folder, "__init__"); }

/// What a distribution installs may be a part of a namespace package, without an __init__.py.
/// Elsewhere a folder that only has the name proves nothing: Python would import it, and the next
/// line would fail.
enum class Namespaces { Refused, Accepted };

bool has_part(const fs::path& folder, const std::string& part, Namespaces namespaces) {
  if (has_file(folder, part) || is_package(folder / part)) return true;
  if (namespaces == Namespaces::Refused) return false;
  std::error_code ignored;
  for (fs::recursive_directory_iterator at(folder / part, ignored), end; !ignored && at != end;
       at.increment(ignored)) {
    if (at.depth() > 2) at.disable_recursion_pending();
    const std::string name = at->path().filename().string();
    if (name.ends_with(".py") || name.ends_with(".so")) return true;
  }
  return false;
}

/// "a.b.c" with every part of it: what cannot be imported is the last one.
bool has_module(fs::path folder, std::string_view module, Namespaces namespaces) {
  while (true) {
    const std::size_t end = std::min(module.find('.'), module.size());
    const std::string part(module.substr(0, end));
    if (part.empty() || !has_part(folder, part, namespaces)) return false;
    if (end == module.size()) return true;
    folder /= part;
    module.remove_prefix(end + 1);
  }
}

bool environment_has(const fs::path& environment, std::string_view module) {
  std::error_code ignored;
  if (!fs::exists(environment / "pyvenv.cfg", ignored)) return false;
  for (const char* lib : {"lib", "lib64"}) {
    for (fs::directory_iterator at(environment / lib, ignored), end; !ignored && at != end;
         at.increment(ignored)) {
      if (at->path().filename().string().starts_with("python3") &&
          has_module(at->path() / "site-packages", module, Namespaces::Accepted))
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
  if (module.empty()) return {};
  fs::path folder = fs::path(script).parent_path();
  for (int i = 0; i < kMostParents && !folder.empty(); ++i, folder = folder.parent_path()) {
    for (const char* name : {"venv", ".venv", "env", ""}) {
      const fs::path environment = *name ? folder / name : folder;
      if (environment != prefix && environment_has(environment, module)) {
        return fmt::format("{} is installed in {}: add {}", module, environment.string(),
                           setting(process_group, "python-home", "WSGIPythonHome", environment));
      }
    }
    if (folder != folder.root_path() && has_module(folder, module, Namespaces::Refused)) {
      return fmt::format("{} lies in {}: add {}", module, folder.string(),
                         setting(process_group, "python-path", "WSGIPythonPath", folder));
    }
    if (folder == folder.root_path()) break;
  }
  return {};
}

}  // namespace wsgix::python

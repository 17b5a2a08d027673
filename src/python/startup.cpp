// SPDX-License-Identifier: Apache-2.0
#include "startup.hpp"

#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <clocale>
#include <cstdlib>
#include <string>
#include <string_view>

#include "obstacle.hpp"
#include "text.hpp"

namespace wsgix::python {
namespace {

bool exists(const std::string& path) {
  struct stat status = {};
  return ::stat(path.c_str(), &status) == 0;
}

/// "3.11"
std::string minor_version() {
  const std::string_view version = Py_GetVersion();
  return std::string(version.substr(0, version.find('.', version.find('.') + 1)));
}

/// An unusable PYTHONHOME makes Py_Initialize() end the process: "No module named 'encodings'".
Result<void> check_installation(const std::string& home) {
  const std::string version = minor_version();
  std::string zip = "python" + version + ".zip";
  zip.erase(zip.find('.', 6), 1);
  std::string last_obstacle;
  for (const char* lib : {"lib", "lib64"}) {
    if (exists(fmt::format("{}/{}/{}", home, lib, zip))) return {};
    const std::string folder = fmt::format("{}/{}/python{}/encodings", home, lib, version);
    last_obstacle = obstacle_to_reading(folder);
    if (last_obstacle.empty()) return {};
    if (exists(folder) || last_obstacle.find("user ") == 0) break;
  }
  return failed(ErrorCode::PythonHomeUnusable,
                fmt::format("Python home {} has no usable library of Python {}: {}", home, version,
                            last_obstacle));
}

/// version = 3.11.2 or version_info = 3.11.2.final.0; empty when neither is there.
std::string version_in_pyvenv(const std::string& text) {
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = std::min(text.find('\n', at), text.size());
    const std::string_view line = std::string_view(text).substr(at, end - at);
    at = end + 1;
    const std::size_t digits = line.find_first_of("0123456789");
    if (!line.starts_with("version") || digits == std::string_view::npos) continue;
    const std::string_view version = line.substr(digits);
    return std::string(version.substr(0, version.find('.', version.find('.') + 1)));
  }
  return {};
}

std::string contents_of(const std::string& path) {
  std::string text;
  if (FILE* file = std::fopen(path.c_str(), "re")) {
    char piece[4096];
    while (const std::size_t got = std::fread(piece, 1, sizeof piece, file))
      text.append(piece, got);
    std::fclose(file);
  }
  return text;
}

/// `program` is venv/bin/python: the environment's modules are those of one Python version.
Result<void> check_environment(const std::string& program) {
  const std::string bin = program.substr(0, program.rfind('/'));
  const std::string environment = bin.substr(0, bin.rfind('/'));
  if (const std::string obstacle = obstacle_to_reading(environment); !obstacle.empty())
    return failed(ErrorCode::PythonHomeUnusable,
                  fmt::format("Python home {} cannot be used: {}", environment, obstacle));
  const std::string made_by = version_in_pyvenv(contents_of(environment + "/pyvenv.cfg"));
  if (made_by.empty() || made_by == minor_version()) return {};
  return failed(ErrorCode::PythonHomeUnusable,
                fmt::format("Python home {} was made by Python {}, but Python {} is loaded",
                            environment, made_by, minor_version()),
                0, "restart httpd fully if the environment was made again with another Python");
}

/// Python's text is UTF-8 whatever the environment of httpd says (PEP 538, PEP 540).
void coerce_locale() {
  const char* effective = std::setlocale(LC_CTYPE, "");
  const std::string_view name = effective ? effective : "C";
  if (name != "C" && name != "POSIX") return;
  const char* all = std::getenv("LC_ALL");
  if (!all || !*all) {
    for (const char* candidate : {"C.UTF-8", "C.utf8", "UTF-8"}) {
      if (!std::setlocale(LC_CTYPE, candidate)) continue;
      ::setenv("LC_CTYPE", candidate, 1);
      return;
    }
  }
  force_utf8_mode();
}

/// Python keeps the pointer as long as it runs.
const wchar_t* decoded_for_good(const std::string& path) {
  return Py_DecodeLocale(path.c_str(), nullptr);
}

}  // namespace

Result<void> initialize_python(const wsgix_start& start) {
  if (Py_IsInitialized()) {
    return failed(ErrorCode::PythonDidNotStart,
                  "another module already runs Python in this process", 0,
                  "remove the other module (mod_python, another mod_wsgi) from httpd");
  }
  const char* inherited = std::getenv("PYTHONHOME");
  const std::string home(start.python_home ? start.python_home
                         : start.program   ? ""
                                           : or_empty(inherited));
  if (start.program) {
    if (auto usable = check_environment(start.program); !usable) return usable;
  } else if (!home.empty()) {
    if (auto usable = check_installation(home.substr(0, home.find(':'))); !usable) return usable;
  }

  coerce_locale();
  if (start.program) set_program_name(decoded_for_good(start.program));
  if (start.python_home) set_python_home(decoded_for_good(start.python_home));
  Py_InitializeEx(0);
  return {};
}

}  // namespace wsgix::python

// SPDX-License-Identifier: Apache-2.0
#include "startup.hpp"

#include <dlfcn.h>
#include <fmt/format.h>
#include <limits.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <clocale>
#include <cstdlib>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "obstacle.hpp"
#include "ref.hpp"
#include "text.hpp"

namespace wsgix::python {
namespace {

bool exists(const std::string& path) {
  struct stat status = {};
  return ::stat(path.c_str(), &status) == 0;
}

/// An unusable PYTHONHOME makes Py_Initialize() end the process: "No module named 'encodings'".
Result<void> check_installation(const std::string& home) {
  const std::string version(running_python());
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
  if (made_by.empty() || made_by == running_python()) return {};
  return failed(ErrorCode::PythonHomeUnusable,
                fmt::format("Python home {} was made by Python {}, but Python {} is loaded",
                            environment, made_by, running_python()),
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

/// The program of the installation that the loaded library belongs to. Without a name with a folder
/// Python takes the first python3 in PATH for itself, and with it the prefix of whatever virtual
/// environment the shell that started httpd had activated.
std::string program_of_library() {
  Dl_info info = {};
  std::array<char, PATH_MAX> resolved = {};
  std::string folder;
  if (::dladdr(reinterpret_cast<const void*>(&Py_GetVersion), &info) != 0 && info.dli_fname)
    folder = ::realpath(info.dli_fname, resolved.data()) ? resolved.data() : info.dli_fname;
  const std::string python = fmt::format("python{}", running_python());
  while (folder.rfind('/') != std::string::npos) {
    folder.erase(folder.rfind('/'));
    for (const char* lib : {"lib", "lib64"}) {
      if (exists(fmt::format("{}/{}/{}/os.py", folder, lib, python)))
        return fmt::format("{}/bin/{}", folder, python);
    }
  }
  // In a jail the library's own folder need not be there.
  return "/usr/bin/" + python;
}

/// Which Python runs is what the configuration says, in every environment that httpd is started in.
void forget_other_pythons() {
  for (const char* name :
       {"PYTHONHOME", "PYTHONPLATLIBDIR", "PYTHONEXECUTABLE", "__PYVENV_LAUNCHER__"}) {
    ::unsetenv(name);
  }
}

/// "prefix:exec_prefix" is two folders, where it is not the name of one.
std::string prefix_of(const std::string& home) {
  return exists(home) ? home : home.substr(0, home.find(':'));
}

std::string program_of(const wsgix_start& start) {
  if (start.program) return start.program;
  if (start.python_home)
    return fmt::format("{}/bin/python{}", prefix_of(start.python_home), running_python());
  return program_of_library();
}

/// Variables for Python's own start.
class StartEnvironment {
 public:
  StartEnvironment(const wsgix_text* assignments, std::size_t count) {
    for (std::size_t i = 0; i < count; ++i) {
      const std::string_view assignment = view_of(assignments[i]);
      const std::size_t equals = std::min(assignment.find('='), assignment.size());
      set(std::string(assignment.substr(0, equals)),
          std::string(assignment.substr(std::min(equals + 1, assignment.size()))));
    }
  }

  /// os.environ is a copy that was made meanwhile; what it is told it tells the process.
  void restore() const {
    if (former_.empty()) return;
    const Ref os = Ref::steal(PyImport_ImportModule("os"));
    const Ref environ = Ref::steal(os ? PyObject_GetAttrString(os.get(), "environ") : nullptr);
    for (const auto& [name, value] : former_) {
      const Ref done = Ref::steal(
          !environ ? nullptr
          : value  ? PyObject_CallMethod(environ.get(), "__setitem__", "ss", name.c_str(),
                                         value->c_str())
                   : PyObject_CallMethod(environ.get(), "pop", "sO", name.c_str(), Py_None));
      if (!done) PyErr_Clear();
    }
  }

 private:
  void set(const std::string& name, const std::string& value) {
    const char* const now = std::getenv(name.c_str());
    former_.emplace_back(name, now ? std::optional<std::string>(now) : std::nullopt);
    ::setenv(name.c_str(), value.c_str(), 1);
  }

  std::vector<std::pair<std::string, std::optional<std::string>>> former_;
};

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
  if (start.program) {
    if (auto usable = check_environment(start.program); !usable) return usable;
  } else if (start.python_home) {
    if (auto usable = check_installation(prefix_of(start.python_home)); !usable) return usable;
  }

  coerce_locale();
  forget_other_pythons();
  set_program_name(decoded_for_good(program_of(start)));
  if (start.python_home) set_python_home(decoded_for_good(start.python_home));
  const StartEnvironment environment(start.environment, start.environment_count);
  Py_InitializeEx(0);
  environment.restore();
  return {};
}

}  // namespace wsgix::python

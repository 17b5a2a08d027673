// SPDX-License-Identifier: Apache-2.0
// From a folder that an administrator wrote down to the libpython it means.
#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <filesystem>
#include <optional>
#include <system_error>

#include "pyvenv.hpp"
#include "wsgix/base/unique_fd.hpp"
#include "wsgix/runtime/library.hpp"

namespace wsgix::runtime {
namespace {

namespace fs = std::filesystem;

constexpr int kOldestMinor = 9;
constexpr std::size_t kMostSettingsBytes = 65536;

bool is_file(const fs::path& path) {
  std::error_code ignored;
  return fs::is_regular_file(path, ignored);
}

bool is_folder(const fs::path& path) {
  std::error_code ignored;
  return fs::is_directory(path, ignored);
}

fs::path resolved(const fs::path& path) {
  std::error_code problem;
  fs::path real = fs::canonical(path, problem);
  return problem ? path : real;
}

int minor_number(const std::string& version) {
  int minor = -1;
  const std::size_t dot = version.find('.');
  if (dot != std::string::npos)
    std::from_chars(version.data() + dot + 1, version.data() + version.size(), minor);
  return minor;
}

Failed closed(const std::string& subject, const std::string& obstacle) {
  return failed(ErrorCode::PythonHomeUnusable, fmt::format("{}: {}", subject, obstacle), 0,
                "let that user search the folder (chmod o+x, or an ACL), or use a Python below a "
                "folder that every account can reach");
}

/// Says which part of the path is the trouble, not only that there is one.
Result<void> check_folder(const std::string& home) {
  if (const std::string obstacle = closed_folder_on_the_way(home); !obstacle.empty())
    return closed("Python home " + home, obstacle);
  fs::path way;
  for (const fs::path& part : fs::path(home)) {
    way /= part;
    std::error_code problem;
    const fs::file_status status = fs::status(way, problem);
    if (status.type() == fs::file_type::not_found)
      return failed(ErrorCode::PythonHomeUnusable,
                    fmt::format("Python home {}: {} does not exist", home, way.string()));
    if (problem)
      return failed(ErrorCode::PythonHomeUnusable,
                    fmt::format("Python home {}: {}", home, way.string()), problem.value());
    if (!part.empty() && !fs::is_directory(status))
      return failed(ErrorCode::PythonHomeUnusable,
                    fmt::format("Python home {}: {} is not a directory", home, way.string()));
  }
  return {};
}

std::vector<std::string> library_names(const std::string& version) {
  return {fmt::format("libpython{}.so.1.0", version), fmt::format("libpython{}.so", version),
          fmt::format("libpython{}.dylib", version)};
}

/// <prefix>/lib, <prefix>/lib64 and, as Debian has it, one folder per architecture below.
std::vector<fs::path> library_folders(const fs::path& prefix) {
  std::vector<fs::path> folders = {prefix / "lib", prefix / "lib64"};
  std::error_code ignored;
  for (fs::directory_iterator at(prefix / "lib", ignored), end; !ignored && at != end;
       at.increment(ignored)) {
    const std::string name = at->path().filename().string();
    if (name.find("-linux-") != std::string::npos || name.find("-gnu") != std::string::npos)
      folders.push_back(at->path());
  }
  return folders;
}

std::optional<std::string> find_library(const fs::path& prefix, const std::string& version) {
  for (const fs::path& folder : library_folders(prefix))
    for (const std::string& name : library_names(version))
      if (is_file(folder / name)) return (folder / name).string();
  return {};
}

/// The versions below <prefix>/lib, newest last.
std::vector<std::string> versions_below(const fs::path& prefix) {
  std::vector<std::string> versions;
  for (const char* lib : {"lib", "lib64"}) {
    std::error_code ignored;
    for (fs::directory_iterator at(prefix / lib, ignored), end; !ignored && at != end;
         at.increment(ignored)) {
      const std::string name = at->path().filename().string();
      constexpr std::string_view kStem = "python3.";
      if (!name.starts_with(kStem)) continue;
      const std::string version = "3." + name.substr(kStem.size());
      const bool is_number =
          name.find_first_not_of("0123456789", kStem.size()) == std::string::npos;
      if (is_number && is_folder(at->path() / "encodings")) versions.push_back(version);
    }
  }
  std::sort(versions.begin(), versions.end(), [](const std::string& a, const std::string& b) {
    return minor_number(a) < minor_number(b);
  });
  return versions;
}

Result<void> check_version(const std::string& home, const std::string& version) {
  if (minor_number(version) >= kOldestMinor) return {};
  return failed(ErrorCode::PythonHomeUnusable,
                fmt::format("Python home {} is of Python {}", home, version), 0,
                fmt::format("use Python 3.{} or newer", kOldestMinor));
}

Failed no_library(const std::string& home, const fs::path& base, const std::string& version) {
  return failed(
      ErrorCode::PythonLibraryNotFound,
      fmt::format("Python home {}: no shared library of Python {} below {}", home, version,
                  base.string()),
      0,
      fmt::format("build that Python with --enable-shared (pyenv: PYTHON_CONFIGURE_OPTS="
                  "--enable-shared pyenv install), or install it from a package with its library "
                  "(Debian: apt install libpython{})",
                  version));
}

bool is_system_prefix(const fs::path& prefix) { return prefix == "/usr" || prefix == "/"; }

/// The library of that version which belongs to one of the bases.
Result<std::string> library_of(const std::string& home, const std::vector<fs::path>& bases,
                               const std::string& version) {
  for (const fs::path& base : bases)
    if (auto library = find_library(base, version)) return *library;
  // Where the linker's own folders are elsewhere, it still finds the distribution's library. For
  // another prefix that would be somebody else's Python of the same version.
  const bool is_system = std::any_of(bases.begin(), bases.end(), is_system_prefix);
  if (is_system) return library_names(version).front();
  return no_library(home, bases.front(), version);
}

/// Old virtual environments do not write their version down; their folder lib/python3.X does.
std::string version_of_folders(const fs::path& environment) {
  std::string version;
  for (const char* lib : {"lib", "lib64"}) {
    std::error_code ignored;
    for (fs::directory_iterator at(environment / lib, ignored), end; !ignored && at != end;
         at.increment(ignored)) {
      constexpr std::string_view kStem = "python";
      const std::string name = at->path().filename().string();
      if (name.starts_with(kStem)) version = minor_version_of(name.substr(kStem.size()));
    }
  }
  return version;
}

/// The file belongs to whoever runs the application, and root reads it at each restart of httpd:
/// a pipe must not hold it up, nor a device feed it for ever.
Result<std::string> read_settings_of(const std::string& home) {
  const std::string path = home + "/pyvenv.cfg";
  const auto unusable = [&](const char* why, int os_errno) {
    return failed(ErrorCode::PythonHomeUnusable,
                  fmt::format("Python home {}: pyvenv.cfg {}", home, why), os_errno);
  };
  const UniqueFd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY));
  if (!file) return unusable("cannot be read", errno);
  struct stat info {};
  if (::fstat(file.get(), &info) != 0) return unusable("cannot be read", errno);
  if (!S_ISREG(info.st_mode)) return unusable("is not a regular file", 0);
  std::string text(kMostSettingsBytes, '\0');
  const ssize_t count = ::pread(file.get(), text.data(), text.size(), 0);
  if (count < 0) return unusable("cannot be read", errno);
  text.resize(static_cast<std::size_t>(count));
  return text;
}

/// The library of that version, as the system's linker finds it.
std::string library_name_of(const std::string& version, const std::string& default_library) {
  return version_in_library_name(default_library) == version ? default_library
                                                             : library_names(version).front();
}

Failed is_relative(const std::string& home) {
  return failed(ErrorCode::PythonHomeUnusable,
                fmt::format("Python home {} is not an absolute path", home), 0,
                "name the folder from / on with python-home= or WSGIPythonHome");
}

Failed says_no_version(const std::string& home) {
  return failed(ErrorCode::PythonHomeUnusable,
                fmt::format("Python home {}: pyvenv.cfg does not say which Python made it", home),
                0, "make the virtual environment again");
}

Result<PythonChoice> choose_environment(const std::string& home) {
  const Result<std::string> text = read_settings_of(home);
  if (!text) return failed(text);
  Pyvenv settings = parse_pyvenv(*text);
  if (settings.version.empty()) settings.version = version_of_folders(home);
  if (settings.home.empty() || settings.version.empty()) return says_no_version(home);
  if (auto known = check_version(home, settings.version); !known) return failed(known);
  const std::string obstacle = closed_folder_on_the_way(settings.home);
  if (!obstacle.empty())
    return closed(
        fmt::format("Python home {}: its Python in {} cannot be reached", home, settings.home),
        obstacle);
  if (!is_folder(settings.home))
    return failed(ErrorCode::PythonHomeUnusable,
                  fmt::format("Python home {}: its Python in {} is gone", home, settings.home), 0,
                  "make the virtual environment again with a Python that is installed");

  const fs::path program = fs::path(home) / "bin" / "python";
  std::vector<fs::path> bases = {resolved(settings.home).parent_path()};
  if (!settings.executable.empty())
    bases.push_back(resolved(settings.executable).parent_path().parent_path());
  bases.push_back(resolved(program).parent_path().parent_path());
  const Result<std::string> library = library_of(home, bases, settings.version);
  if (!library) return failed(library);
  return PythonChoice{*library, program.string(), {}, settings.version};
}

Result<std::string> installed_version(const std::string& home, const std::string& default_library) {
  const std::vector<std::string> versions = versions_below(home);
  if (versions.empty())
    return failed(ErrorCode::PythonHomeUnusable,
                  fmt::format("Python home {} is neither a virtual environment (no pyvenv.cfg) nor "
                              "an installation (no lib/python3.*)",
                              home));
  // The default's version where it is there, so that PYTHONHOME=/usr means the same everywhere.
  const std::string preferred = version_in_library_name(default_library);
  const bool has_preferred = std::count(versions.begin(), versions.end(), preferred) > 0;
  return has_preferred ? preferred : versions.back();
}

Result<PythonChoice> choose_installation(const std::string& home,
                                         const std::string& default_library) {
  const Result<std::string> version = installed_version(home, default_library);
  if (!version) return failed(version);
  if (auto known = check_version(home, *version); !known) return failed(known);
  const Result<std::string> library = library_of(home, {resolved(home)}, *version);
  if (!library) return failed(library);
  return PythonChoice{*library, {}, home, *version};
}

/// "prefix:exec_prefix", as PYTHONHOME may be: the modules of both, the library of the first.
Result<PythonChoice> choose_two_prefixes(const std::string& both, std::size_t colon,
                                         const std::string& default_library) {
  const std::string prefix = both.substr(0, colon);
  for (const std::string& folder : {prefix, both.substr(colon + 1)}) {
    if (auto usable = check_folder(folder); !usable) return failed(usable);
  }
  Result<PythonChoice> choice = choose_installation(prefix, default_library);
  if (choice) choice->home = both;
  return choice;
}

}  // namespace

Result<PythonChoice> choose_jailed_python(const std::string& jail, const std::string& python_home,
                                          const std::string& default_library) {
  if (python_home.empty())
    return PythonChoice{default_library, {}, {}, version_in_library_name(default_library)};
  if (!python_home.starts_with('/')) return is_relative(python_home);
  const std::string seen = jail + python_home;
  if (auto folder = check_folder(seen); !folder) return failed(folder);
  PythonChoice choice;
  std::error_code ignored;
  if (fs::exists(fs::path(seen) / "pyvenv.cfg", ignored)) {
    const Result<std::string> text = read_settings_of(seen);
    if (!text) return failed(text);
    choice.version = parse_pyvenv(*text).version;
    if (choice.version.empty()) choice.version = version_of_folders(seen);
    if (choice.version.empty()) return says_no_version(seen);
    choice.program = (fs::path(python_home) / "bin" / "python").string();
  } else {
    const Result<std::string> version = installed_version(seen, default_library);
    if (!version) return failed(version);
    choice.version = *version;
    choice.home = python_home;
  }
  if (auto known = check_version(seen, choice.version); !known) return failed(known);
  choice.libpython = library_name_of(choice.version, default_library);
  return choice;
}

Result<PythonChoice> choose_python(const std::string& python_home,
                                   const std::string& default_library) {
  if (python_home.empty())
    return PythonChoice{default_library, {}, {}, version_in_library_name(default_library)};
  if (!python_home.starts_with('/')) return is_relative(python_home);
  std::error_code ignored;
  const std::size_t colon = python_home.find(':');
  if (colon != std::string::npos && !fs::exists(python_home, ignored))
    return choose_two_prefixes(python_home, colon, default_library);
  if (auto folder = check_folder(python_home); !folder) return failed(folder);
  const fs::path config = fs::path(python_home) / "pyvenv.cfg";
  return fs::exists(config, ignored) ? choose_environment(python_home)
                                     : choose_installation(python_home, default_library);
}

}  // namespace wsgix::runtime

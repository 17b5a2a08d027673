// SPDX-License-Identifier: Apache-2.0
#include "wsgix/runtime/library.hpp"

#include <dlfcn.h>
#include <fmt/format.h>

#include <mutex>
#include <string>

namespace wsgix::runtime {
namespace {

constexpr const char* kRuntimeFile = "wsgix-runtime.abi3.so";
constexpr const char* kEntry = "wsgix_runtime_entry";

std::string last_dl_error() {
  const char* text = ::dlerror();
  return text ? text : "no reason given";
}

/// A second Python in the process would silently run the first one's code.
Result<void> refuse_other_python(void* libpython, const std::string& wanted) {
  const void* visible = ::dlsym(RTLD_DEFAULT, "Py_GetVersion");
  const void* ours = ::dlsym(libpython, "Py_GetVersion");
  if (!ours) {
    return failed(ErrorCode::PythonLibraryNotFound,
                  fmt::format("{} is not a Python library: {}", wanted, last_dl_error()));
  }
  if (visible == ours) return {};
  Dl_info other = {};
  const bool is_known = ::dladdr(visible, &other) != 0 && other.dli_fname;
  return failed(ErrorCode::RuntimeLibraryRefused,
                fmt::format("{} cannot be used: this process already holds another Python, {}",
                            wanted, is_known ? other.dli_fname : "of unknown origin"),
                0, "remove the other module that loads Python (mod_python, another mod_wsgi)");
}

Result<void> open_libpython(const PythonChoice& python) {
  // Never closed: CPython cannot be unloaded.
  void* handle = ::dlopen(python.libpython.c_str(), RTLD_NOW | RTLD_GLOBAL);
  if (handle) return refuse_other_python(handle, python.libpython);
  const std::string reason = last_dl_error();
  return failed(ErrorCode::PythonLibraryNotFound,
                fmt::format("{} cannot be opened: {}", python.libpython, reason), 0,
                python.version.empty()
                    ? ""
                    : fmt::format("install the shared library of Python {0} (Debian: apt install "
                                  "libpython{0}; Fedora: dnf install python{0}-libs)",
                                  python.version));
}

Result<const wsgix_runtime*> open_runtime(const std::string& directory) {
  const std::string path = directory + "/" + kRuntimeFile;
  void* handle = ::dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (!handle) {
    return failed(ErrorCode::RuntimeLibraryNotFound,
                  fmt::format("{} cannot be opened: {}", path, last_dl_error()));
  }
  void* symbol = ::dlsym(handle, kEntry);
  if (!symbol) {
    return failed(ErrorCode::RuntimeLibraryRefused,
                  fmt::format("{} does not export {}", path, kEntry));
  }
  const auto entry = reinterpret_cast<decltype(&wsgix_runtime_entry)>(symbol);
  const wsgix_runtime* table = entry(WSGIX_RUNTIME_ABI_MAJOR, WSGIX_RUNTIME_ABI_MINOR);
  if (table) return table;
  return failed(ErrorCode::RuntimeLibraryRefused,
                fmt::format("{} does not serve runtime ABI {}.{}", path, WSGIX_RUNTIME_ABI_MAJOR,
                            WSGIX_RUNTIME_ABI_MINOR));
}

}  // namespace

Result<const wsgix_runtime*> open(const PythonChoice& python,
                                  const std::string& runtime_directory) {
  // One Python per process is a fact of the process, so this is the place that remembers it.
  static std::mutex mutex;
  static std::string opened_library;
  static const wsgix_runtime* opened_runtime = nullptr;
  const std::lock_guard lock(mutex);
  if (!opened_library.empty() && opened_library != python.libpython) {
    return failed(ErrorCode::RuntimeLibraryRefused,
                  fmt::format("{} cannot be opened: this process already runs {}", python.libpython,
                              opened_library));
  }
  // In a jail none of the files can be seen any more.
  if (opened_runtime != nullptr) return opened_runtime;
  if (auto opened = open_libpython(python); !opened) return failed(opened);
  opened_library = python.libpython;
  const Result<const wsgix_runtime*> table = open_runtime(runtime_directory);
  if (table) opened_runtime = *table;
  return table;
}

Error to_error(const wsgix_failure& failure) {
  return {static_cast<ErrorCode>(failure.code), failure.what, 0, failure.remedy};
}

}  // namespace wsgix::runtime

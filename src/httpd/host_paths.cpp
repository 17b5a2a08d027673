// SPDX-License-Identifier: Apache-2.0
#include "host_paths.hpp"

#include <dlfcn.h>
#include <unistd.h>

namespace wsgix::httpd {
namespace {

constexpr char kHostProgram[] = "wsgix-host";
constexpr char kRuntimeLibrary[] = "wsgix-runtime.abi3.so";

/// Any address inside mod_wsgi.so.
const int kHere = 0;

std::string own_directory() {
  Dl_info info{};
  if (::dladdr(&kHere, &info) == 0 || info.dli_fname == nullptr) return {};
  const std::string path = info.dli_fname;
  const std::size_t slash = path.rfind('/');
  return slash == std::string::npos ? std::string() : path.substr(0, slash);
}

std::string directory_with(const char* file) {
  const std::string beside = own_directory();
  if (!beside.empty() && ::access((beside + "/" + file).c_str(), F_OK) == 0) return beside;
  return WSGIX_LIBEXECDIR;
}

}  // namespace

std::string host_program() { return directory_with(kHostProgram) + "/" + kHostProgram; }

std::string runtime_directory() { return directory_with(kRuntimeLibrary); }

}  // namespace wsgix::httpd

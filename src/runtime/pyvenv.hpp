// SPDX-License-Identifier: Apache-2.0
// runtime/pyvenv.hpp: the text of a pyvenv.cfg, as venv and virtualenv write it.
#pragma once

#include <string>
#include <string_view>

namespace wsgix::runtime {

struct Pyvenv {
  std::string home;        ///< folder of the base Python's executable: "/usr/bin"
  std::string version;     ///< "3.11"; empty when the file does not say
  std::string executable;  ///< of the base Python; newer files only
};

Pyvenv parse_pyvenv(std::string_view text);

/// "3.11.2.final.0" -> "3.11"; empty for anything that does not begin with two numbers.
std::string minor_version_of(std::string_view version);

/// "libpython3.11.so.1.0", "/opt/lib/libpython3.11.dylib" -> "3.11"; empty for other names.
std::string version_in_library_name(std::string_view path);

}  // namespace wsgix::runtime

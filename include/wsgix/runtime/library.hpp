// SPDX-License-Identifier: Apache-2.0
// runtime/library.hpp: from "python-home=" to an opened libpython and runtime library.
//
// Knows pyvenv.cfg, file names and dlopen(3); nothing of CPython's API.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "wsgix/base/result.hpp"
#include "wsgix/runtime/abi.h"

namespace wsgix::runtime {

/// One Python, found but not opened.
struct PythonChoice {
  std::string libpython;  ///< what dlopen(3) is given: a path, or a file name the linker searches
  std::string program;    ///< venv/bin/python for a virtual environment, else empty
  std::string home;       ///< PYTHONHOME for an installation's prefix, else empty
  std::string version;    ///< "3.11" when known from pyvenv.cfg or file names, else empty
};

/// Decides which Python `python_home` means: empty is the default library; a folder with
/// pyvenv.cfg is a virtual environment of any version; otherwise an installation's prefix.
/// Reads files, runs none. Failures name the path and what is wrong with it.
Result<PythonChoice> choose_python(const std::string& python_home,
                                   const std::string& default_library);

/// For a group with chroot=: `python_home` is a path inside `jail` (empty for a process that is in
/// it already), and so are program and home of the choice. The library is always one that the
/// system's linker finds, by name: root opens it before the process enters the jail, so nothing
/// that the group's account may write to can decide which file that is.
Result<PythonChoice> choose_jailed_python(const std::string& jail, const std::string& python_home,
                                          const std::string& default_library);

/// Can that account reach and read the folder? Names the first directory that it cannot search,
/// with its owner and mode. For configtest: looks with the permission bits, not with access(2).
Result<void> check_reachable(const std::string& path, std::uint32_t uid, std::uint32_t gid,
                             const std::vector<std::uint32_t>& supplementary_gids);

/// "user www-data cannot search /home/ann (mode 0700, owner ann)": the first folder on the way to
/// `path`, through links as well, that this process's account may not search; empty: none.
std::string closed_folder_on_the_way(const std::string& path);

/// Opens libpython (RTLD_GLOBAL: extension modules look their symbols up there) and then
/// wsgix-runtime.abi3.so from `runtime_directory`, and asks it for its table. Neither is ever
/// closed: CPython cannot be unloaded. A process does this once: the same Python again is the same
/// table, without a look at any file; another one is refused.
Result<const wsgix_runtime*> open(const PythonChoice& python, const std::string& runtime_directory);

/// A wsgix_failure as our own error.
Error to_error(const wsgix_failure& failure);

}  // namespace wsgix::runtime

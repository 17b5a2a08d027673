// SPDX-License-Identifier: Apache-2.0
// config/paths.hpp: absolute paths as they are written, compared without looking at any file.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace wsgix::config {

/// "/srv//jail/./" as "/srv/jail". Nothing for a relative path and for one with ".." in it: where
/// that leads depends on links.
std::optional<std::string> normal_path(std::string_view path);

/// Whether `path` lies below `folder`, both as they are written: "/srv" and "/srv/" hold
/// "/srv/app.py" and "/srv/", neither holds "/srv" or "/srv2".
bool is_below(std::string_view folder, std::string_view path);

/// The path as a process sees it whose / is `jail`, a normal_path(): "/srv/jail/app.py" is
/// "/app.py". A view of `path`. Nothing when it is not below the jail, or goes up again with "..".
std::optional<std::string_view> path_in_jail(std::string_view jail, std::string_view path);

}  // namespace wsgix::config

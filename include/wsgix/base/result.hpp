// SPDX-License-Identifier: Apache-2.0
// base/result.hpp: a value or the reason there is none.
#pragma once

#include <string>
#include <tl/expected.hpp>
#include <utility>

#include "wsgix/base/error.hpp"

namespace wsgix {

/// The member names are those of std::expected, which replaces it with C++23.
template <typename T>
using Result = tl::expected<T, Error>;

using Failed = tl::unexpected<Error>;

/// `return failed(ErrorCode::CannotCreateSocket, "group 'shop': bind to " + path, errno_of_bind);`
inline Failed failed(ErrorCode code, std::string what, int os_errno = 0, std::string remedy = {}) {
  return Failed(Error{code, std::move(what), os_errno, std::move(remedy)});
}

/// Passes somebody else's error on: `if (!opened) return failed(opened);`
template <typename T>
Failed failed(const Result<T>& result) {
  return Failed(result.error());
}

}  // namespace wsgix

// SPDX-License-Identifier: Apache-2.0
// cli/exit_code.hpp: how the command ends, for scripts, and what it says then.
#pragma once

#include <string>
#include <tl/expected.hpp>

namespace wsgix::cli {

enum ExitCode { kDone = 0, kFailed = 1, kUsage = 2, kNotFound = 3, kNotPermitted = 4 };

struct Problem {
  ExitCode code;
  std::string text;  ///< what is wrong, and what to do
};

template <typename T>
using Outcome = tl::expected<T, Problem>;

inline tl::unexpected<Problem> problem(ExitCode code, std::string text) {
  return tl::unexpected(Problem{code, std::move(text)});
}

}  // namespace wsgix::cli

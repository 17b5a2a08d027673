// SPDX-License-Identifier: Apache-2.0
// python/log_target.hpp: where a line of text goes, and what a line may look like.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "wsgix/base/error.hpp"
#include "wsgix/runtime/abi.h"

namespace wsgix::python {

inline constexpr int kLogError = 3;
inline constexpr int kLogWarning = 4;
inline constexpr int kLogInfo = 6;

/// The log of one request, or that of the process. A small value; borrows what it points to.
class LogTarget {
 public:
  explicit LogTarget(const wsgix_start& process) noexcept : process_(&process) {}
  explicit LogTarget(const wsgix_request& request) noexcept : request_(&request) {}

  /// Any text: one record per line, as it is; whoever writes the log escapes it.
  void text(int level, std::string_view text) const;
  void error(const Error& error) const { text(kLogError, to_log_line(error)); }
  void warning(const Error& error) const { text(kLogWarning, to_log_line(error)); }

 private:
  void record(int level, std::string_view line) const;

  const wsgix_start* process_ = nullptr;
  const wsgix_request* request_ = nullptr;
};

/// For lines that are read as lines before they reach a log: without control characters.
std::string printable(std::string_view line);

}  // namespace wsgix::python

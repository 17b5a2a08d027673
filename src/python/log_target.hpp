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

/// Longer lines become several records.
inline constexpr std::size_t kLogLineBytes = 8192;

/// The log of one request, or that of the process. A small value; borrows what it points to.
class LogTarget {
 public:
  explicit LogTarget(const wsgix_start& process) noexcept : process_(&process) {}
  explicit LogTarget(const wsgix_request& request) noexcept : request_(&request) {}

  /// Any text: one record per line, control characters escaped.
  void text(int level, std::string_view text) const;
  void error(const Error& error) const { text(kLogError, to_log_line(error)); }
  void warning(const Error& error) const { text(kLogWarning, to_log_line(error)); }

 private:
  void record(int level, std::string_view line) const;

  const wsgix_start* process_ = nullptr;
  const wsgix_request* request_ = nullptr;
};

/// How much of `line` makes one record: without cutting a UTF-8 sequence.
std::size_t record_size(std::string_view line);

/// The line with everything that could forge or hide log text made visible.
std::string printable(std::string_view line);

}  // namespace wsgix::python

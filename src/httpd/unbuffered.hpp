// SPDX-License-Identifier: Apache-2.0
// httpd/unbuffered.hpp: buffering is an optimisation. Where its temporary file cannot be had,
// bodies are streamed; that is said once, not for each request.
#pragma once

#include <chrono>
#include <mutex>
#include <string>
#include <vector>

#include "httpd_api.hpp"
#include "wsgix/base/clock.hpp"
#include "wsgix/base/error.hpp"

namespace wsgix::httpd {

/// What one child has said about its temporary files.
class SpoolFaults {
 public:
  /// Another reason than the last one. One that comes and goes is news once a minute.
  bool is_news(const Error& error);

 private:
  struct Said {
    std::string reason;
    Clock::time_point when;
  };
  std::mutex mutex_;  ///< guards said_ and last_
  std::vector<Said> said_;
  std::string last_;
};

/// `error`: what append() of a spool said. A warning with the folder, the account and a remedy.
void warn_unbuffered(const request_rec& r, const Error& error);

}  // namespace wsgix::httpd

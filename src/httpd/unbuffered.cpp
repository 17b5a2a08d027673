// SPDX-License-Identifier: Apache-2.0
#include "unbuffered.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>

#include "child_process.hpp"
#include "log.hpp"
#include "settings.hpp"

namespace wsgix::httpd {
namespace {

constexpr std::chrono::minutes kSayAgain{1};
constexpr std::size_t kMostReasons = 16;

}  // namespace

bool SpoolFaults::is_news(const Error& error) {
  const std::string reason = fmt::format("{} {}", error.os_errno, error.what);
  const std::lock_guard lock(mutex_);
  if (reason == last_) return false;
  last_ = reason;
  const auto now = Clock::now();
  const auto said = std::find_if(said_.begin(), said_.end(),
                                 [&](const Said& known) { return known.reason == reason; });
  if (said != said_.end()) {
    if (now < said->when + kSayAgain) return false;
    said->when = now;
    return true;
  }
  if (said_.size() == kMostReasons) said_.erase(said_.begin());
  said_.push_back({reason, now});
  return true;
}

void warn_unbuffered(const request_rec& r, const Error& error) {
  ChildProcess& child = *config_of(*ap_server_conf).child;
  if (!child.spool_faults().is_news(error)) return;
  char* account = nullptr;
  if (apr_uid_name_get(&account, ::geteuid(), r.pool) != APR_SUCCESS) account = nullptr;
  log(r, LogLevel::Warning,
      {ErrorCode::BodiesNotBuffered,
       fmt::format("bodies are streamed instead of buffered: account {} (uid {}), {}",
                   or_empty(account), ::geteuid(), error.what),
       error.os_errno});
}

}  // namespace wsgix::httpd

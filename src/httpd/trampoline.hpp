// SPDX-License-Identifier: Apache-2.0
// httpd/trampoline.hpp: the only doors through which httpd calls into C++.
//
// Each template turns one C++ function into the noexcept C callback httpd expects. Nothing past
// these doors may let an exception out, and nothing before them may contain logic.
#pragma once

#include <exception>
#include <string_view>

#include "httpd_api.hpp"
#include "log.hpp"
#include "settings.hpp"
#include "wsgix/base/result.hpp"

namespace wsgix::httpd {

/// What a hook tells httpd: DECLINED, OK, or an HTTP status.
struct Outcome {
  int httpd_status;
};

inline void log_bug(const server_rec* server, const char* what) noexcept {
  ap_log_error(APLOG_MARK, APLOG_CRIT, 0, server, "WX9001: unexpected exception: %s", what);
}

/// Runs `action` and answers `otherwise` when it throws; `on_bug` gets the exception's text.
template <typename Action, typename OnBug, typename Answer>
Answer guarded(Action&& action, OnBug&& on_bug, Answer otherwise) noexcept {
  try {
    return action();
  } catch (const std::exception& bug) {
    on_bug(bug.what());
  } catch (...) {
    on_bug("of unknown type");
  }
  return otherwise;
}

template <Result<Outcome> (*Hook)(request_rec&)>
int request_hook(request_rec* r) noexcept {
  return guarded(
      [r] {
        const Result<Outcome> outcome = Hook(*r);
        if (outcome) return outcome->httpd_status;
        log(*r, LogLevel::Error, outcome.error());
        return HTTP_INTERNAL_SERVER_ERROR;
      },
      [r](const char* what) {
        ap_log_rerror(APLOG_MARK, APLOG_CRIT, 0, r, "WX9001: unexpected exception: %s", what);
      },
      HTTP_INTERNAL_SERVER_ERROR);
}

/// check_config and post_config.
template <Result<void> (*Hook)(apr_pool_t& pconf, server_rec& main)>
int config_hook(apr_pool_t* pconf, apr_pool_t*, apr_pool_t*, server_rec* main) noexcept {
  return guarded(
      [&] {
        const Result<void> done = Hook(*pconf, *main);
        if (done) return OK;
        log(*main, LogLevel::Error, done.error());
        return HTTP_INTERNAL_SERVER_ERROR;
      },
      [main](const char* what) { log_bug(main, what); }, HTTP_INTERNAL_SERVER_ERROR);
}

template <void (*Hook)(apr_pool_t& pchild, server_rec& main)>
void child_hook(apr_pool_t* pchild, server_rec* main) noexcept {
  guarded(
      [&] {
        Hook(*pchild, *main);
        return true;
      },
      [main](const char* what) { log_bug(main, what); }, false);
}

/// The end of a pool. `Action` gets what was registered.
template <typename T, void (*Action)(T&)>
apr_status_t pool_cleanup(void* registered) noexcept {
  guarded(
      [&] {
        Action(*static_cast<T*>(registered));
        return true;
      },
      [](const char* what) { log_bug(nullptr, what); }, false);
  return APR_SUCCESS;
}

/// News of a process registered with apr_proc_other_child_register().
template <typename T, void (*Action)(T&, int reason, int wait_status)>
void other_child_changed(int reason, void* registered, int wait_status) noexcept {
  guarded(
      [&] {
        Action(*static_cast<T*>(registered), reason, wait_status);
        return true;
      },
      [](const char* what) { log_bug(nullptr, what); }, false);
}

/// Where a directive stands, and the two records it may write into.
struct Line {
  cmd_parms& cmd;
  DirConfig& directory;
  ServerConfig& server;
};

template <typename Setter>
const char* set(cmd_parms* cmd, void* directory, Setter&& setter) noexcept {
  const char* refusal = nullptr;
  guarded(
      [&] {
        Line line{*cmd, *static_cast<DirConfig*>(directory), config_of(*cmd->server)};
        const Result<void> done = setter(line);
        if (!done) refusal = apr_pstrdup(cmd->pool, to_log_line(done.error()).c_str());
        return true;
      },
      [&](const char* what) { refusal = apr_pstrcat(cmd->pool, "WX9001: ", what, nullptr); },
      false);
  return refusal;
}

/// A directive with one argument.
template <Result<void> (*Setter)(Line&, std::string_view)>
const char* take_one(cmd_parms* cmd, void* directory, const char* value) noexcept {
  return set(cmd, directory, [value](Line& line) { return Setter(line, value); });
}

/// A directive that reads the rest of its line itself.
template <Result<void> (*Setter)(Line&, std::string_view)>
const char* take_raw(cmd_parms* cmd, void* directory, const char* rest) noexcept {
  return set(cmd, directory, [rest](Line& line) { return Setter(line, rest); });
}

}  // namespace wsgix::httpd

// SPDX-License-Identifier: Apache-2.0
#include "warm_up.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "wsgix/config/warm_up.hpp"
#include "wsgix/runtime/stream.hpp"

namespace wsgix::daemon {
namespace {

using runtime::view_of;

constexpr int kFirstServerError = 500;

double seconds_since_1970() {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  return std::chrono::duration<double>(now).count();
}

/// The client of a warm-up: it sends no body and throws the response away.
class Discarded final : public runtime::Stream {
 public:
  explicit Discarded(LogSink& log) noexcept : log_(log) {}

  int status() const noexcept { return status_; }

  std::ptrdiff_t read_body(char*, std::size_t, bool) override { return 0; }
  int send_head(const wsgix_response_head& head) override {
    status_ = head.status;
    return 0;
  }
  int send_body(std::string_view) override { return 0; }
  int send_file(int, std::uint64_t, std::uint64_t) override { return 0; }
  int flush() override { return 0; }
  bool client_is_gone() const noexcept override { return false; }
  void early_hints(const wsgix_field*, std::size_t) override {}
  void show_loading(bool) noexcept override {}
  void log(int level, std::string_view, std::uint32_t, std::string_view text) override {
    log_.write(static_cast<LogLevel>(std::clamp(level, 0, 7)), text);
  }
  void log_of_copy(int level, std::string_view text) noexcept override { log(level, {}, 0, text); }
  void log_bug(const char* what) noexcept override { log_.write(LogLevel::Critical, what); }

 private:
  LogSink& log_;
  int status_ = 0;
};

using Environ = std::vector<std::pair<std::string_view, std::string_view>>;

/// Borrows from all three.
Environ environ_for(const config::WarmUpTarget& target, std::string_view uri,
                    std::string_view script) {
  Environ environ = {
      {"REQUEST_METHOD", "GET"},
      {"SCRIPT_NAME", ""},
      {"PATH_INFO", target.path},
      {"QUERY_STRING", target.query},
      {"REQUEST_URI", uri},
      {"SERVER_PROTOCOL", "HTTP/1.1"},
      {"SERVER_NAME", target.server_name},
      {"SERVER_PORT", target.server_port},
      {"SERVER_ADDR", "127.0.0.1"},
      {"REMOTE_ADDR", "127.0.0.1"},
      {"REMOTE_PORT", "0"},
      {"GATEWAY_INTERFACE", "CGI/1.1"},
      {"REQUEST_SCHEME", target.https ? "https" : "http"},
      {"SCRIPT_FILENAME", script},
      {"HTTP_HOST", target.host},
      {"HTTP_USER_AGENT", "wsgix-warmup"},
      {"wsgix.warmup", "1"},
  };
  if (target.https) environ.emplace_back("HTTPS", "on");
  return environ;
}

/// The status of the response; that of the failure when there was none.
int ask(const wsgix_runtime& runtime, const config::WarmUpTarget& target,
        const wsgix_script& script, LogSink& log) {
  const std::string uri = target.query.empty() ? target.path : target.path + "?" + target.query;
  Discarded stream(log);
  wsgix_request request{};
  runtime::attach(stream, request);
  std::vector<wsgix_field> fields;
  runtime::set_environ(environ_for(target, uri, view_of(script.path)), fields, request);
  request.script = script;
  request.https = target.https;
  request.request_start = seconds_since_1970();
  request.daemon_start = request.request_start;
  wsgix_outcome outcome{};
  runtime.handle_request(&request, &outcome);
  if (outcome.kind == WSGIX_COMPLETE) return stream.status();
  return outcome.kind == WSGIX_FAILED ? outcome.status : kFirstServerError;
}

}  // namespace

bool warm_up(const config::HostSettings& settings, const wsgix_runtime& runtime,
             const wsgix_script& script, LogSink& log) {
  auto target = config::warm_up_target(settings.daemon.warmup);
  if (!target || script.callable_name.size == 0) return true;  // WSGIImportScript: no application
  if (target->host.empty()) {
    target->host = settings.server_name.empty() ? "localhost" : settings.server_name;
    target->server_name = target->host;
  }
  const int status = ask(runtime, *target, script, log);
  if (status < kFirstServerError) return true;
  log.write(LogLevel::Error,
            Error{ErrorCode::WarmUpFailed,
                  fmt::format("group '{}': script {} answered the warm-up request {} with {}",
                              settings.daemon.name, view_of(script.path), settings.daemon.warmup,
                              status)});
  return false;
}

}  // namespace wsgix::daemon

// SPDX-License-Identifier: Apache-2.0
#include "warm_up.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <exception>
#include <string>
#include <vector>

#include "wsgix/config/warm_up.hpp"

namespace wsgix::daemon {
namespace {

constexpr int kFirstServerError = 500;

wsgix_text text(std::string_view view) { return {view.data(), view.size()}; }

double seconds_since_1970() {
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  return std::chrono::duration<double>(now).count();
}

/// The client of a warm-up: it sends no body and throws the response away.
struct Stream {
  LogSink& log;
  int status = 0;
};

Stream& stream_of(void* stream) { return *static_cast<Stream*>(stream); }

ptrdiff_t read_body(void*, char*, size_t, int) noexcept { return 0; }
int send_head(void* stream, const wsgix_response_head* head) noexcept {
  stream_of(stream).status = head->status;
  return 0;
}
int send_body(void*, const char*, size_t) noexcept { return 0; }
int send_file(void*, int, uint64_t, uint64_t) noexcept { return 0; }
int flush(void*) noexcept { return 0; }
int client_is_gone(void*) noexcept { return 0; }
void log_line(void* stream, int level, wsgix_text, uint32_t, wsgix_text line) noexcept {
  const auto severity = static_cast<LogLevel>(std::clamp(level, 0, 7));
  stream_of(stream).log.write(severity, {line.data, line.size});
}
void early_hints(void*, const wsgix_field*, size_t) noexcept {}
void loading(void*, int) noexcept {}

constexpr wsgix_stream_calls kCalls = {
    read_body,      send_head, send_body,   send_file, flush,
    client_is_gone, log_line,  early_hints, loading,
};

class WarmUp {
 public:
  WarmUp(const config::HostSettings& settings, const config::WarmUpTarget& target, LogSink& log)
      : target_(target), log_(log) {
    if (target_.host.empty()) {
      target_.host = settings.server_name.empty() ? "localhost" : settings.server_name;
    }
  }

  /// The status of the response; that of the failure when there was none.
  int ask(const wsgix_runtime& runtime, const config::Preload& preload) {
    const std::vector<wsgix_field> environ = environ_for(preload);
    Stream stream{log_};
    wsgix_request request{};
    request.stream = &stream;
    request.calls = &kCalls;
    request.script.path = text(preload.script);
    request.script.application_group = text(preload.application_group);
    request.script.callable_name = text(preload.callable);
    request.environ = environ.data();
    request.environ_count = environ.size();
    request.https = target_.https;
    request.request_start = seconds_since_1970();
    request.daemon_start = request.request_start;
    wsgix_outcome outcome{};
    runtime.handle_request(&request, &outcome);
    if (outcome.kind == WSGIX_COMPLETE) return stream.status;
    return outcome.kind == WSGIX_FAILED ? outcome.status : kFirstServerError;
  }

 private:
  std::vector<wsgix_field> environ_for(const config::Preload& preload) {
    const std::size_t bracket = target_.host.rfind(']');  // IPv6
    const std::size_t colon = target_.host.find(':', bracket == std::string::npos ? 0 : bracket);
    server_name_ = target_.host.substr(0, colon);
    server_port_ = colon == std::string::npos ? (target_.https ? "443" : "80")
                                              : target_.host.substr(colon + 1);
    uri_ = target_.query.empty() ? target_.path : target_.path + "?" + target_.query;
    const std::pair<const char*, std::string_view> fields[] = {
        {"REQUEST_METHOD", "GET"},
        {"SCRIPT_NAME", ""},
        {"PATH_INFO", target_.path},
        {"QUERY_STRING", target_.query},
        {"REQUEST_URI", uri_},
        {"SERVER_PROTOCOL", "HTTP/1.1"},
        {"SERVER_NAME", server_name_},
        {"SERVER_PORT", server_port_},
        {"SERVER_ADDR", "127.0.0.1"},
        {"REMOTE_ADDR", "127.0.0.1"},
        {"REMOTE_PORT", "0"},
        {"GATEWAY_INTERFACE", "CGI/1.1"},
        {"REQUEST_SCHEME", target_.https ? "https" : "http"},
        {"SCRIPT_FILENAME", preload.script},
        {"HTTP_HOST", target_.host},
        {"HTTP_USER_AGENT", "wsgix-warmup"},
        {"wsgix.warmup", "1"},
    };
    std::vector<wsgix_field> environ;
    for (const auto& [name, value] : fields) environ.push_back({text(name), text(value)});
    if (target_.https) environ.push_back({text("HTTPS"), text("on")});
    return environ;
  }

  config::WarmUpTarget target_;
  LogSink& log_;
  // What the environ points to.
  std::string server_name_;
  std::string server_port_;
  std::string uri_;
};

}  // namespace

bool warm_up(const config::HostSettings& settings, const Application& application, LogSink& log) {
  const auto target = config::warm_up_target(settings.daemon.warmup);
  if (!target || application.runtime == nullptr) return true;
  WarmUp warm_up(settings, *target, log);
  bool may_serve = true;
  for (const config::Preload& preload : settings.preloads) {
    if (preload.callable.empty()) continue;  // WSGIImportScript: no application
    const int status = warm_up.ask(*application.runtime, preload);
    if (status < kFirstServerError) continue;
    log.write(
        LogLevel::Error,
        Error{ErrorCode::WarmUpFailed,
              fmt::format("group '{}': script {} answered the warm-up request {} with {}",
                          settings.daemon.name, preload.script, settings.daemon.warmup, status)});
    if (preload.rolling) may_serve = false;
  }
  return may_serve;
}

}  // namespace wsgix::daemon

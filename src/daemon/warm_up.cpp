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

/// Borrows from both.
std::vector<wsgix_field> environ_for(const config::WarmUpTarget& target, std::string_view uri,
                                     const wsgix_script& script) {
  const std::pair<const char*, std::string_view> fields[] = {
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
      {"SCRIPT_FILENAME", {script.path.data, script.path.size}},
      {"HTTP_HOST", target.host},
      {"HTTP_USER_AGENT", "wsgix-warmup"},
      {"wsgix.warmup", "1"},
  };
  std::vector<wsgix_field> environ;
  for (const auto& [name, value] : fields) environ.push_back({text(name), text(value)});
  if (target.https) environ.push_back({text("HTTPS"), text("on")});
  return environ;
}

/// The status of the response; that of the failure when there was none.
int ask(const wsgix_runtime& runtime, const config::WarmUpTarget& target,
        const wsgix_script& script, LogSink& log) {
  const std::string uri = target.query.empty() ? target.path : target.path + "?" + target.query;
  const std::vector<wsgix_field> environ = environ_for(target, uri, script);
  Stream stream{log};
  wsgix_request request{};
  request.stream = &stream;
  request.calls = &kCalls;
  request.script = script;
  request.environ = environ.data();
  request.environ_count = environ.size();
  request.https = target.https;
  request.request_start = seconds_since_1970();
  request.daemon_start = request.request_start;
  wsgix_outcome outcome{};
  runtime.handle_request(&request, &outcome);
  if (outcome.kind == WSGIX_COMPLETE) return stream.status;
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
  log.write(
      LogLevel::Error,
      Error{ErrorCode::WarmUpFailed,
            fmt::format("group '{}': script {} answered the warm-up request {} with {}",
                        settings.daemon.name, std::string_view(script.path.data, script.path.size),
                        settings.daemon.warmup, status)});
  return false;
}

}  // namespace wsgix::daemon

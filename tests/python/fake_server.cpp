// SPDX-License-Identifier: Apache-2.0
#include "fake_server.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <thread>

namespace wsgix::python_tests {
namespace {

std::string_view view(const wsgix_text& text) { return {text.data, text.size}; }
wsgix_text text_of(std::string_view text) { return {text.data(), text.size()}; }

struct Stream {
  Request request;
  Reply reply;
  int sends = 0;

  bool is_gone() { return ++sends == request.fail_send_at; }
};

std::ptrdiff_t read_body(void* context, char* into, std::size_t size, int may_wait) {
  auto& stream = *static_cast<Stream*>(context);
  auto& pieces = stream.request.body;
  if (pieces.empty()) return stream.request.body_failure;
  if (stream.request.body_waits && !may_wait) return WSGIX_IO_WOULD_BLOCK;
  const std::size_t taken = std::min(size, pieces.front().size());
  pieces.front().copy(into, taken);
  pieces.front().erase(0, taken);
  if (pieces.front().empty()) pieces.pop_front();
  return static_cast<std::ptrdiff_t>(taken);
}

int send_head(void* context, const wsgix_response_head* head) {
  auto& stream = *static_cast<Stream*>(context);
  stream.reply.events.push_back("head");
  if (stream.is_gone()) return WSGIX_IO_CLIENT_GONE;
  stream.reply.status = head->status;
  stream.reply.reason = view(head->reason);
  for (std::size_t i = 0; i < head->header_count; ++i)
    stream.reply.headers.emplace_back(view(head->headers[i].name), view(head->headers[i].value));
  return 0;
}

int send_body(void* context, const char* data, std::size_t size) {
  auto& stream = *static_cast<Stream*>(context);
  if (stream.is_gone()) return WSGIX_IO_CLIENT_GONE;
  stream.reply.events.push_back(fmt::format("body {}", size));
  stream.reply.body.append(data, size);
  if (stream.request.on_body) stream.request.on_body();
  return 0;
}

int send_file(void* context, int descriptor, std::uint64_t offset, std::uint64_t length) {
  auto& stream = *static_cast<Stream*>(context);
  stream.reply.events.push_back(fmt::format("file {}", length));
  std::string bytes(length, '\0');
  const ssize_t got = ::pread(descriptor, bytes.data(), length, static_cast<off_t>(offset));
  EXPECT_EQ(got, static_cast<ssize_t>(length)) << "the runtime promised bytes that are not there";
  stream.reply.body += bytes;
  return 0;
}

int flush(void* context) {
  auto& stream = *static_cast<Stream*>(context);
  stream.reply.events.push_back("flush");
  return stream.is_gone() ? WSGIX_IO_CLIENT_GONE : 0;
}

int client_is_gone(void* context) { return static_cast<Stream*>(context)->request.client_gone; }

void log_line(void* context, int level, wsgix_text, std::uint32_t, wsgix_text line) {
  static_cast<Stream*>(context)->reply.log.push_back(fmt::format("{} {}", level, view(line)));
}

void early_hints(void* context, const wsgix_field* headers, std::size_t count) {
  std::string event = "hints";
  for (std::size_t i = 0; i < count; ++i) {
    event += fmt::format(" {}={}", view(headers[i].name), view(headers[i].value));
  }
  static_cast<Stream*>(context)->reply.events.push_back(event);
}

void loading(void* context, int begins) {
  auto& stream = *static_cast<Stream*>(context);
  stream.reply.loading.push_back(begins);
}

constexpr wsgix_stream_calls kCalls = {read_body,      send_head, send_body,   send_file, flush,
                                       client_is_gone, log_line,  early_hints, loading};

wsgix_script script_of(const Request& request) {
  return {text_of(request.script),
          text_of(request.application_group),
          text_of(request.callable_name),
          request.modified_us,
          static_cast<std::uint8_t>(request.reloading),
          0};
}

}  // namespace

std::string Reply::header(const std::string& name) const {
  for (const auto& [key, value] : headers)
    if (key == name) return value;
  return "<none>";
}

bool Reply::logged(const std::string& part) const {
  return whole_log().find(part) != std::string::npos;
}

std::string Reply::whole_log() const {
  std::string text;
  for (const std::string& line : log) text += line + "\n";
  return text;
}

Server& Server::the() {
  static Server server;
  return server;
}

void Server::start(const wsgix_runtime& runtime) {
  runtime_ = &runtime;
  start_.process_group = "shop";
  start_.processes = 2;
  start_.threads = 5;
  start_.multiprocess = 1;
  start_.multithread = 1;
  start_.reload_in_place = 1;
  start_.case_sensitive = 1;
  start_.httpd_version[0] = 2;
  start_.httpd_version[1] = 4;
  start_.httpd_version[2] = 57;
  start_.httpd_description = "Apache/2.4.57 (Debian)";
  start_.mpm_name = "event";
  start_.httpd_build_date = "Apr  1 2026 00:00:00";
  start_.httpd_maximum_processes = 16;
  start_.httpd_threads_per_process = 25;
  start_.log_context = this;
  start_.log = log_to_process;
  start_.stacks_signal = SIGUSR2;
  start_.stacks_fd = ::fileno(std::tmpfile());
  wsgix_failure why = {};
  if (runtime.start(&start_, &why) != 0) {
    std::fprintf(stderr, "Python did not start: %s\n", why.what);
    std::exit(1);
  }
}

void Server::stop() { runtime_->stop(1); }

Reply Server::handle(const Request& request) {
  Stream stream{request, {}, 0};
  Headers fields = {
      {"REQUEST_METHOD", "GET"},      {"SCRIPT_NAME", ""},        {"PATH_INFO", "/"},
      {"QUERY_STRING", ""},           {"SERVER_NAME", "example"}, {"SERVER_PORT", "80"},
      {"SERVER_PROTOCOL", "HTTP/1.1"}};
  for (const auto& [name, value] : request.environ) {
    const auto same = [&, &key = name](const auto& field) { return field.first == key; };
    std::erase_if(fields, same);
    fields.emplace_back(name, value);
  }
  std::vector<wsgix_field> environ;
  for (const auto& [name, value] : fields) environ.push_back({text_of(name), text_of(value)});

  wsgix_request call = {};
  call.stream = &stream;
  call.calls = &kCalls;
  call.script = script_of(stream.request);
  call.environ = environ.data();
  call.environ_count = environ.size();
  call.https = request.https;
  call.has_body = !request.body.empty();
  call.content_length = -1;
  call.request_start = 1000.5;
  call.id = request.id;
  runtime_->handle_request(&call, &stream.reply.outcome);
  return stream.reply;
}

int Server::load(const Request& request, wsgix_failure& why) {
  const wsgix_script script = script_of(request);
  return runtime_->load_script(&script, &why);
}

int Server::run_service(const Request& request, wsgix_failure& why) {
  const wsgix_script script = script_of(request);
  return runtime_->run_service(&script, &why);
}

std::vector<std::string> Server::take_process_log() {
  const std::lock_guard lock(mutex_);
  return std::exchange(process_log_, {});
}

std::vector<std::string> Server::stacks(std::uint64_t id) {
  std::vector<std::string> lines;
  runtime_->write_stacks(id, &lines, [](void* context, wsgix_text line) {
    static_cast<std::vector<std::string>*>(context)->emplace_back(view(line));
  });
  return lines;
}

bool Server::wait_for_stack(std::uint64_t id, const std::string& text) {
  for (int i = 0; i < 2000; ++i) {
    for (const std::string& line : stacks(id))
      if (line.find(text) != std::string::npos) return true;
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  return false;
}

void Server::log_to_process(void* context, int level, wsgix_text, std::uint32_t, wsgix_text text) {
  auto& server = *static_cast<Server*>(context);
  const std::lock_guard lock(server.mutex_);
  server.process_log_.push_back(fmt::format("{} {}", level, view(text)));
}

RuntimeTest::RuntimeTest() {
  std::string pattern = (std::filesystem::temp_directory_path() / "wsgix-XXXXXX").string();
  folder_ = ::mkdtemp(pattern.data());
  ::chmod(folder_.c_str(), 0755);
}

RuntimeTest::~RuntimeTest() { std::filesystem::remove_all(folder_); }

std::string RuntimeTest::write(const std::string& name, const std::string& text) {
  const std::string path = folder_ + "/" + name;
  std::filesystem::create_directories(std::filesystem::path(path).parent_path());
  std::ofstream(path, std::ios::binary) << text;
  const timespec times[2] = {{1'000'000'000 + ++files_, 0}, {1'000'000'000 + files_, 5000}};
  ::utimensat(AT_FDCWD, path.c_str(), times, 0);
  return path;
}

Reply RuntimeTest::run(const std::string& source) { return run(source, {}); }

Reply RuntimeTest::run(const std::string& source, Request request) {
  request.script = write(fmt::format("script{}.wsgi", files_), source);
  return Server::the().handle(request);
}

Reply RuntimeTest::run_body(const std::string& statements, Request request) {
  std::string source = "import sys\ndef application(environ, start_response):\n";
  std::string_view rest = statements;
  while (!rest.empty()) {
    const std::size_t end = std::min(rest.find('\n'), rest.size());
    source += "    " + std::string(rest.substr(0, end)) + "\n";
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
  return run(source, std::move(request));
}

int minor_version() {
  const std::string version = Server::the().runtime().python_version();
  return std::stoi(version.substr(version.find('.') + 1));
}

std::string answering(const std::string& expression) {
  return "start_response('200 OK', [])\nreturn [str(" + expression + ").encode()]";
}

}  // namespace wsgix::python_tests

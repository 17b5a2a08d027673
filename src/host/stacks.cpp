// SPDX-License-Identifier: Apache-2.0
#include "stacks.hpp"

#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "wsgix/os/signals.hpp"

namespace wsgix::host {
namespace {

constexpr int kMostLines = 500;
constexpr std::size_t kLongestLine = 8192;
/// A worker that writes without an end must not keep its supervisor from its work.
constexpr int kMostReads = 16;

}  // namespace

void Stacks::ask(Running& worker) {
  worker.stack_lines = 0;
  worker.process.signal(os::kStacksSignal);
}

void Stacks::read_lines(Running& worker) {
  char bytes[4096];
  for (int reads = 0; worker.stacks && reads < kMostReads; ++reads) {
    const ssize_t count = ::read(worker.stacks.get(), bytes, sizeof bytes);
    if (count > 0) {
      take(worker, {bytes, static_cast<std::size_t>(count)});
    } else if (count == 0 || (errno != EAGAIN && errno != EINTR)) {
      worker.stacks.reset();
    } else if (errno == EAGAIN) {
      return;
    }
  }
}

void Stacks::finish(Running& worker) {
  read_lines(worker);
  if (!worker.stack_line.empty()) log_line(worker);
}

void Stacks::take(Running& worker, std::string_view text) {
  for (const char c : text) {
    if (c == '\n') {
      log_line(worker);
    } else if (worker.stack_line.size() < kLongestLine) {
      worker.stack_line += c;
    }
  }
}

void Stacks::log_line(Running& worker) {
  const std::string line = std::exchange(worker.stack_line, {});
  if (line.empty() || ++worker.stack_lines > kMostLines) return;
  log_.write(LogLevel::Error, fmt::format("group '{}': worker {}: {}", group_, worker.pid, line));
}

}  // namespace wsgix::host

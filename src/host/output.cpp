// SPDX-License-Identifier: Apache-2.0
#include "output.hpp"

#include <fmt/format.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

namespace wsgix::host {
namespace {

// Of one worker in one turn of the supervisor: about what a pipe holds, and a millisecond or two.
constexpr std::size_t kBytesPerTurn = 64 * 1024;
constexpr int kLinesPerTurn = 512;
constexpr std::size_t kBytesPerRead = 4096;
/// Of a line whose patience begins with the next turn, which is at once.
constexpr Deadline kJustCame{};

bool is_file(int descriptor) noexcept {
  struct stat what {};
  return ::fstat(descriptor, &what) == 0 && !S_ISFIFO(what.st_mode) && !S_ISSOCK(what.st_mode);
}

/// Bytes that wait in a pipe.
std::size_t waiting_in(int pipe) noexcept {
  int count = 0;
  return ::ioctl(pipe, FIONREAD, &count) == 0 && count > 0 ? static_cast<std::size_t>(count) : 0;
}

/// How many bytes came; 0: none are there now, or ever. Closes a pipe that has ended.
std::size_t read_into(OutputLines& lines, UniqueFd& pipe) {
  char bytes[kBytesPerRead];
  ssize_t count = 0;
  while ((count = ::read(pipe.get(), bytes, sizeof bytes)) < 0 && errno == EINTR) {
  }
  if (count < 0 && errno == EAGAIN) return 0;
  if (count <= 0) {
    pipe.reset();
    return 0;
  }
  lines.add({bytes, static_cast<std::size_t>(count)});
  return static_cast<std::size_t>(count);
}

}  // namespace

Outputs::Outputs(std::string group, int error_log, LogLevel level)
    : group_(std::move(group)),
      error_log_(error_log),
      log_(error_log, level),
      log_may_be_full_(!is_file(error_log)) {}

void Outputs::add(pid_t worker, UniqueFd pipe) {
  Output output;
  output.pipe = std::move(pipe);
  output.worker = worker;
  outputs_.push_back(std::move(output));
}

void Outputs::watch(os::PollSet& set) const {
  if (outputs_.empty()) return;
  if (!log_has_room()) return set.add(error_log_, POLLOUT);
  for (const Output& output : outputs_) set.add(output.pipe.get(), POLLIN);
}

Deadline Outputs::next_deadline() const noexcept {
  Deadline next = kNever;
  for (const Output& output : outputs_) {
    next = std::min(next, output.has_more ? Deadline{} : output.flush_at);
  }
  return next == kNever || log_has_room() ? next : kNever;
}

void Outputs::serve(Deadline now) {
  for (Output& output : outputs_) relay_some(output, now);
  std::erase_if(outputs_, [](const Output& output) {
    return !output.pipe && !output.has_more && output.lines.is_empty();
  });
}

void Outputs::worker_ended(pid_t worker) {
  const auto output = std::find_if(outputs_.begin(), outputs_.end(), [&](const Output& candidate) {
    return candidate.worker_lives && candidate.worker == worker;
  });
  if (output == outputs_.end()) return;
  output->worker_lives = false;
  drain(*output);
  if (!output->pipe) {
    outputs_.erase(output);
  } else {
    give_up_the_oldest();
  }
}

void Outputs::finish() {
  for (Output& output : outputs_) drain(output);
}

/// A logger that takes nothing at the moment does not hold up the supervisor: workers wait for it.
bool Outputs::log_has_room() const noexcept {
  if (!log_may_be_full_) return true;
  pollfd log{error_log_, POLLOUT, 0};
  return ::poll(&log, 1, 0) > 0;
}

void Outputs::relay_some(Output& output, Deadline now) {
  int lines = kLinesPerTurn;
  std::size_t bytes = 0;
  for (;;) {
    output.has_more = !write_lines(output, lines);
    if (output.has_more || bytes >= kBytesPerTurn || !log_has_room()) return;
    const std::size_t count = output.pipe ? read_into(output.lines, output.pipe) : 0;
    if (count == 0) break;
    bytes += count;
    output.flush_at = kJustCame;
  }
  if (output.lines.is_empty()) {
    output.flush_at = kNever;
  } else if (!output.pipe || (output.flush_at <= now && output.flush_at != kJustCame)) {
    write_rest(output);
  } else if (output.flush_at == kJustCame && bytes == 0) {
    // Not from the turn that read it: a log that took nothing may have held that up for long.
    output.flush_at = now + kPatience;
  }
}

/// False: there are more than `most`, or the log has no room.
bool Outputs::write_lines(Output& output, int& most) {
  while (most > 0 && log_has_room()) {
    const auto line = output.lines.next();
    if (!line) return true;
    write(output, *line);
    --most;
  }
  return output.lines.is_empty();
}

void Outputs::write_rest(Output& output) {
  if (const auto line = output.lines.rest()) write(output, *line);
  output.flush_at = kNever;
}

/// What is there now, whatever the log does, and a look at whether more can come.
void Outputs::drain(Output& output) {
  const std::size_t most = waiting_in(output.pipe.get()) + kBytesPerRead;
  std::size_t bytes = 0;
  for (std::size_t count = 1; count > 0; bytes += count) {
    while (const auto line = output.lines.next()) write(output, *line);
    count = output.pipe && bytes < most ? read_into(output.lines, output.pipe) : 0;
  }
  output.has_more = false;
  write_rest(output);
}

void Outputs::write(const Output& output, const OutputLine& line) {
  log_.write_for(output.worker, static_cast<pid_t>(line.thread), line.level, line.text);
}

void Outputs::give_up_the_oldest() {
  const auto is_left = [](const Output& output) { return !output.worker_lives; };
  if (std::count_if(outputs_.begin(), outputs_.end(), is_left) <=
      static_cast<std::ptrdiff_t>(kMostLeftBehind)) {
    return;
  }
  const auto oldest = std::find_if(outputs_.begin(), outputs_.end(), is_left);
  drain(*oldest);
  log_.write(LogLevel::Warning,
             Error{ErrorCode::OutputGivenUp,
                   fmt::format("group '{}': {} workers have ended and left processes behind; what "
                               "those of worker {} print is not read any more",
                               group_, kMostLeftBehind, oldest->worker)});
  outputs_.erase(oldest);
}

}  // namespace wsgix::host

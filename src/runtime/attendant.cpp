// SPDX-License-Identifier: Apache-2.0
#include "wsgix/runtime/attendant.hpp"

#include <algorithm>
#include <exception>
#include <utility>

#include "wsgix/base/error.hpp"

namespace wsgix::runtime {
namespace {

constexpr seconds kBetweenBeats{1};
constexpr milliseconds kBetweenLooks{250};  ///< at the clients

void keep_line(void* lines, wsgix_text line) noexcept {
  try {
    static_cast<std::vector<std::string>*>(lines)->emplace_back(line.data, line.size);
  } catch (const std::exception&) {
    // No memory for a line that only explains.
  }
}

}  // namespace

Attendant::Attendant(const wsgix_runtime& runtime, Duties duties)
    : runtime_(runtime),
      duties_(std::move(duties)),
      next_beat_(duties_.heartbeat ? Clock::now() : kNever),
      thread_([this] { attend(); }) {}

Attendant::~Attendant() {
  {
    const Lock lock(mutex_);
    ending_ = true;
  }
  changed_.notify_all();
  thread_.join();
}

void Attendant::enroll(std::uint64_t id, Deadline deadline, Attended& request) {
  const Lock lock(mutex_);
  const auto looks_at = next_look();
  requests_[id] = {&request, deadline};
  if (next_look() < looks_at) changed_.notify_all();
}

void Attendant::withdraw(std::uint64_t id) {
  const Lock lock(mutex_);
  requests_.erase(id);
}

void Attendant::write_stacks() {
  const Lock lock(mutex_);
  stacks_wanted_ = true;
  changed_.notify_all();
}

// ---- the thread ----

void Attendant::attend() {
  for (;;) {
    std::vector<Interruption> late;
    bool beats = false;
    bool writes_stacks = false;
    {
      Lock lock(mutex_);
      // Asked anew each time: a request that was enrolled meanwhile may be due sooner.
      while (!ending_ && !stacks_wanted_ && Clock::now() < next_look()) {
        changed_.wait_until(lock, next_look());
      }
      if (ending_) return;
      const auto now = Clock::now();
      late = due(now);
      writes_stacks = std::exchange(stacks_wanted_, false);
      beats = now >= next_beat_;
      if (beats) next_beat_ = now + kBetweenBeats;
    }
    if (beats) {
      runtime_.heartbeat();
      duties_.heartbeat();
    }
    for (const Interruption& one : late) interrupt(one);
    if (writes_stacks) {
      for (const std::string& line : stacks_of(0)) duties_.log.write(LogLevel::Error, line);
    }
  }
}

/// When there is something to do again. Needs the mutex.
Clock::time_point Attendant::next_look() const {
  Clock::time_point next = next_beat_;
  for (const auto& [id, entry] : requests_) {
    if (entry.interrupted) continue;
    next = std::min(next, entry.deadline);
    if (watches_clients()) next = std::min<Clock::time_point>(next, last_look_ + kBetweenLooks);
  }
  return next;
}

/// Needs the mutex.
std::vector<Attendant::Interruption> Attendant::due(Clock::time_point now) {
  last_look_ = now;
  std::vector<Interruption> late;
  for (auto& [id, entry] : requests_) {
    if (entry.interrupted) continue;
    const bool is_late = entry.deadline <= now;
    const bool is_alone = !is_late && watches_clients() && entry.request->client_is_gone();
    if (!is_late && !is_alone) continue;
    entry.interrupted = true;
    late.push_back({id, is_late ? WSGIX_DEADLINE_PASSED : WSGIX_CLIENT_LEFT});
  }
  return late;
}

void Attendant::interrupt(const Interruption& late) {
  const bool explains = late.why == WSGIX_DEADLINE_PASSED;
  const std::vector<std::string> stack = explains ? stacks_of(late.id) : std::vector<std::string>();
  {
    const Lock lock(mutex_);
    const auto found = requests_.find(late.id);
    if (found == requests_.end()) return;  // it ended meanwhile
    if (explains) {
      found->second.request->log_line(
          LogLevel::Error,
          to_log_line(Error{ErrorCode::RequestInterrupted,
                            found->second.request->describe() +
                                " is over its time and is interrupted; its Python stack follows"}));
    }
    for (const std::string& line : stack) found->second.request->log_line(LogLevel::Error, line);
  }
  runtime_.interrupt(late.id, late.why);
}

std::vector<std::string> Attendant::stacks_of(std::uint64_t id) {
  std::vector<std::string> lines;
  runtime_.write_stacks(id, &lines, keep_line);
  return lines;
}

}  // namespace wsgix::runtime

// SPDX-License-Identifier: Apache-2.0
#include "wsgix/runtime/request_watchdog.hpp"

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

// ---- what is due ----

void WatchdogSchedule::enroll(std::uint64_t id, Deadline deadline, WatchedRequest& request) {
  requests_[id] = {&request, deadline};
}

WatchedRequest* WatchdogSchedule::find(std::uint64_t id) const noexcept {
  const auto found = requests_.find(id);
  return found == requests_.end() ? nullptr : found->second.request;
}

Deadline WatchdogSchedule::next_look() const noexcept {
  Deadline next = next_beat_;
  for (const auto& [id, entry] : requests_) {
    if (entry.interrupted) continue;
    next = std::min(next, entry.deadline);
    if (watches_clients_) next = std::min<Deadline>(next, last_look_ + kBetweenLooks);
  }
  return next;
}

WatchdogSchedule::Due WatchdogSchedule::take_due(Clock::time_point now) {
  Due due;
  due.beat = now >= next_beat_;
  if (due.beat) next_beat_ = now + kBetweenBeats;
  last_look_ = now;
  for (auto& [id, entry] : requests_) {
    if (entry.interrupted) continue;
    const bool is_late = entry.deadline <= now;
    const bool is_alone = !is_late && watches_clients_ && entry.request->client_is_gone();
    if (!is_late && !is_alone) continue;
    entry.interrupted = true;
    due.late.push_back({id, is_late ? WSGIX_DEADLINE_PASSED : WSGIX_CLIENT_LEFT});
  }
  return due;
}

// ---- from the threads of the requests ----

RequestWatchdog::RequestWatchdog(const wsgix_runtime& runtime, Duties duties)
    : runtime_(runtime),
      duties_(std::move(duties)),
      schedule_(duties_.heartbeat ? Clock::now() : kNever, duties_.interrupt_when_client_is_gone),
      thread_([this] { watch(); }) {}

RequestWatchdog::~RequestWatchdog() {
  {
    const Lock lock(mutex_);
    ending_ = true;
  }
  changed_.notify_all();
  thread_.join();
}

void RequestWatchdog::enroll(std::uint64_t id, Deadline deadline, WatchedRequest& request) {
  const Lock lock(mutex_);
  const Deadline before = schedule_.next_look();
  schedule_.enroll(id, deadline, request);
  if (schedule_.next_look() < before) changed_.notify_all();
}

void RequestWatchdog::withdraw(std::uint64_t id) {
  const Lock lock(mutex_);
  schedule_.withdraw(id);
}

void RequestWatchdog::write_stacks() {
  const Lock lock(mutex_);
  stacks_wanted_ = true;
  changed_.notify_all();
}

// ---- the thread ----

void RequestWatchdog::watch() {
  for (;;) {
    WatchdogSchedule::Due due;
    bool writes_stacks = false;
    {
      Lock lock(mutex_);
      // Asked anew each time: a request that was enrolled meanwhile may be due sooner.
      while (!ending_ && !stacks_wanted_ && Clock::now() < schedule_.next_look()) {
        changed_.wait_until(lock, schedule_.next_look());
      }
      if (ending_) return;
      due = schedule_.take_due(Clock::now());
      writes_stacks = std::exchange(stacks_wanted_, false);
    }
    if (due.beat) {
      runtime_.heartbeat();
      duties_.heartbeat();
    }
    for (const WatchdogSchedule::Interruption& one : due.late) interrupt(one);
    if (writes_stacks) {
      for (const std::string& line : stacks_of(0)) duties_.log.write(LogLevel::Error, line);
    }
  }
}

void RequestWatchdog::interrupt(const WatchdogSchedule::Interruption& late) {
  const bool explains = late.why == WSGIX_DEADLINE_PASSED;
  const std::vector<std::string> stack = explains ? stacks_of(late.id) : std::vector<std::string>();
  {
    const Lock lock(mutex_);
    WatchedRequest* const request = schedule_.find(late.id);
    if (request == nullptr) return;  // it ended meanwhile
    if (explains) {
      request->log_line(
          LogLevel::Error,
          to_log_line(Error{ErrorCode::RequestInterrupted,
                            request->describe() +
                                " is over its time and is interrupted; its Python stack follows"}));
    }
    for (const std::string& line : stack) request->log_line(LogLevel::Error, line);
  }
  runtime_.interrupt(late.id, late.why);
}

std::vector<std::string> RequestWatchdog::stacks_of(std::uint64_t id) {
  std::vector<std::string> lines;
  runtime_.write_stacks(id, &lines, keep_line);
  return lines;
}

}  // namespace wsgix::runtime

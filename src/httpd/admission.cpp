// SPDX-License-Identifier: Apache-2.0
#include "admission.hpp"

#include <time.h>
#include <unistd.h>

#include <cerrno>

#include "wsgix/os/sockets.hpp"

namespace wsgix::httpd {

using relay::Ending;
using relay::kGoOn;
using relay::Step;

relay::Ending Admission::nobody_took_it() const noexcept {
  return pool_.load().ready_workers == 0 ? Ending::GroupNotReady : Ending::GroupFull;
}

Step Admission::may_go_on_asking() const {
  const auto now = Clock::now();
  if (pool_.is_paused()) return end_with(Ending::GroupPaused);
  if (timers_.request_is_late(now)) return end_with(Ending::DeadlinePassed);
  return now >= timers_.queue_deadline() ? end_with(nobody_took_it()) : kGoOn;
}

bool Admission::join_queue() {
  if (waiting_) return true;
  waiting_.emplace(pool_.board(), static_cast<std::uint32_t>(::getpid()));
  const auto limit = static_cast<std::uint32_t>(pool_.group().settings.queue_limit);
  if (limit == 0) return true;
  // Who came later does not count: of many that come at once, so many stay.
  if (scoreboard::waiting_requests(pool_.board(), waiting_->since_us()).count < limit) return true;
  waiting_.reset();
  return false;
}

/// A full backlog takes whoever comes first when a slot becomes free, be it the latest.
bool Admission::lets_others_go_first() const {
  return waiting_ && waiting_->since_us() > pool_.turn().last_us && pool_.is_busy();
}

Result<Step> Admission::connect(std::unique_ptr<Connection>& connection) {
  const config::DaemonSettings& settings = pool_.group().settings;
  const Deadline deadline = timers_.started() + settings.connect_timeout;
  if (pool_.is_busy() && !join_queue()) return end_with(Ending::QueueFull);
  for (;;) {
    if (!lets_others_go_first()) {
      Result<UniqueFd> socket = channel::connect_to(pool_.group().socket_path);
      if (socket) {
        os::set_buffer_sizes(socket->get(), settings.send_buffer_size,
                             settings.receive_buffer_size);
        connection = std::make_unique<Connection>(std::move(*socket),
                                                  static_cast<std::size_t>(settings.head_limit));
        return kGoOn;
      }
      const int why = socket.error().os_errno;
      if (why != EAGAIN && why != ECONNREFUSED) return failed(socket);
    }
    if (!join_queue()) return end_with(Ending::QueueFull);
    if (const Step next = may_go_on_asking(); next != kGoOn) return next;
    if (Clock::now() >= deadline) return end_with(nobody_took_it());
    rest();
  }
}

Step Admission::look_at_queue(relay::Expired expired) {
  if (pool_.is_paused()) return end_with(Ending::GroupPaused);
  if (expired == relay::Expired::Queue) return end_with(nobody_took_it());
  const bool waits = timers_.should_have_been_taken(Clock::now()) && pool_.is_busy();
  return waits && !join_queue() ? end_with(Ending::QueueFull) : kGoOn;
}

void Admission::rest() noexcept {
  constexpr timespec kBetweenConnects{0, 20'000'000};
  ::nanosleep(&kBetweenConnects, nullptr);
}

}  // namespace wsgix::httpd

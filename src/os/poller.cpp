// SPDX-License-Identifier: Apache-2.0
#include "wsgix/os/poller.hpp"

#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cerrno>

namespace wsgix::os {
namespace {

epoll_event event_for(Interest interest, void* subject) noexcept {
  epoll_event event{};
  event.events = EPOLLONESHOT;
  if (interest != Interest::Writable) event.events |= EPOLLIN;
  if (interest != Interest::Readable) event.events |= EPOLLOUT;
  event.data.ptr = subject;
  return event;
}

void write_one(int fd) noexcept {
  const std::uint64_t one = 1;
  while (::write(fd, &one, sizeof one) < 0 && errno == EINTR) {
  }
}

}  // namespace

Result<Poller> Poller::create() {
  UniqueFd epoll(::epoll_create1(EPOLL_CLOEXEC));
  if (!epoll) return failed(ErrorCode::CannotOpenDescriptor, "epoll_create1", errno);
  UniqueFd wake(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!wake) return failed(ErrorCode::CannotOpenDescriptor, "eventfd", errno);

  epoll_event event{};
  event.events = EPOLLIN;  // stays readable for every thread: nobody ever reads it
  event.data.ptr = nullptr;
  if (::epoll_ctl(epoll.get(), EPOLL_CTL_ADD, wake.get(), &event) != 0) {
    return failed(ErrorCode::SystemCallFailed, "epoll_ctl", errno);
  }
  return Poller(std::move(epoll), std::move(wake));
}

Result<void> Poller::add(int fd, Interest interest, void* subject) noexcept {
  epoll_event event = event_for(interest, subject);
  if (::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event) != 0) {
    return failed(ErrorCode::CannotOpenDescriptor, "epoll_ctl", errno,
                  "raise fs.epoll.max_user_watches (sysctl)");
  }
  return {};
}

bool Poller::rearm(int fd, Interest interest, void* subject) noexcept {
  epoll_event event = event_for(interest, subject);
  return ::epoll_ctl(epoll_.get(), EPOLL_CTL_MOD, fd, &event) == 0;
}

void Poller::remove(int fd) noexcept { ::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, fd, nullptr); }

std::optional<void*> Poller::wait(Deadline deadline) noexcept {
  epoll_event event{};
  for (;;) {
    const int count = ::epoll_wait(epoll_.get(), &event, 1, poll_timeout(deadline));
    if (count == 0) {
      if (Clock::now() >= deadline) return nullptr;
      continue;
    }
    if (count == 1) {
      void* const subject = event.data.ptr;
      return subject != nullptr ? std::optional(subject) : std::nullopt;
    }
    if (errno != EINTR) return std::nullopt;
  }
}

void Poller::wake_all() noexcept { write_one(wake_.get()); }

Result<Event> Event::create() {
  UniqueFd event(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  if (!event) return failed(ErrorCode::CannotOpenDescriptor, "eventfd", errno);
  return Event(std::move(event));
}

void Event::raise() noexcept { write_one(event_.get()); }

}  // namespace wsgix::os

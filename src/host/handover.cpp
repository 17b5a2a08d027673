// SPDX-License-Identifier: Apache-2.0
#include "handover.hpp"

#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>

#include "wsgix/supervisor/host_commands.hpp"

namespace wsgix::host {

using supervisor::FromHost;
using supervisor::ToHost;

bool Handover::has_predecessor() const noexcept {
  struct stat what {};
  return ::fstat(predecessor_.get(), &what) == 0 && !S_ISCHR(what.st_mode);
}

bool Handover::predecessor_has_ended() const noexcept {
  pollfd handover{predecessor_.get(), 0, 0};
  return ::poll(&handover, 1, 0) > 0 && (handover.revents & (POLLHUP | POLLERR)) != 0;
}

void Handover::retire_predecessor() const noexcept {
  const char byte = static_cast<char>(ToHost::Retire);
  [[maybe_unused]] const ssize_t ignored = ::write(predecessor_.get(), &byte, 1);
}

void Handover::report_ready() const noexcept {
  const char byte = static_cast<char>(FromHost::Ready);
  [[maybe_unused]] const ssize_t ignored =
      ::send(retire_.get(), &byte, 1, MSG_DONTWAIT | MSG_NOSIGNAL);
}

void Handover::watch(os::PollSet& set, std::function<void()> on_news) const {
  set.add(is_over_ ? -1 : retire_.get(), POLLIN, std::move(on_news));
}

void Handover::watch_predecessor(os::PollSet& set, std::function<void()> on_end) const {
  set.add(predecessor_.get(), 0, std::move(on_end));
}

Handover::News Handover::take_news() noexcept {
  const News news = receive(MSG_DONTWAIT);
  is_over_ = is_over_ || news == News::Retire || news == News::Closed;
  return news;
}

Handover::News Handover::look() const noexcept { return receive(MSG_DONTWAIT | MSG_PEEK); }

Handover::News Handover::receive(int flags) const noexcept {
  char word = 0;
  const ssize_t count = ::recv(retire_.get(), &word, 1, flags);
  if (count < 0 && (errno == EINTR || errno == EAGAIN)) return News::None;
  if (count <= 0) return News::Closed;
  return word == static_cast<char>(ToHost::Overtaken) ? News::Overtaken : News::Retire;
}

void Handover::close() noexcept {
  retire_.reset();
  predecessor_.reset();
}

}  // namespace wsgix::host

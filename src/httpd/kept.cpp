// SPDX-License-Identifier: Apache-2.0
#include "kept.hpp"

#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

namespace wsgix::httpd {
namespace {

constexpr char kKey[] = "wsgix-groups";
constexpr std::uint32_t kLayout = 5;

bool has_word(int retire_read) noexcept {
  pollfd pipe{retire_read, POLLIN, 0};
  return retire_read >= 0 && ::poll(&pipe, 1, 0) == 1 && (pipe.revents & POLLIN) != 0;
}

bool somebody_lives(const KeptHost* host) noexcept {
  for (; host != nullptr; host = host->older) {
    if (host->pid != 0) return true;
  }
  return false;
}

}  // namespace

Kept* find_kept() noexcept { return static_cast<Kept*>(ap_retained_data_get(kKey)); }

Result<Kept*> find_or_create_kept(const server_rec& main) {
  Kept* kept = find_kept();
  if (kept != nullptr) {
    if (kept->layout == kLayout) return kept;
    return failed(ErrorCode::BadHostSettings,
                  "this mod_wsgi.so is another version than the one httpd was started with");
  }
  kept = static_cast<Kept*>(ap_retained_data_create(kKey, sizeof(Kept)));
  kept->layout = kLayout;
  kept->parent = ::getpid();
  kept->pool = main.process->pool;
  return kept;
}

KeptGroup* find_group(Kept& kept, std::string_view name) noexcept {
  for (KeptGroup* group = kept.groups; group != nullptr; group = group->next) {
    if (group->name == name) return group;
  }
  return nullptr;
}

KeptGroup& add_group(Kept& kept, std::string_view name) {
  auto* group = static_cast<KeptGroup*>(apr_pcalloc(kept.pool, sizeof(KeptGroup)));
  group->name = apr_pstrmemdup(kept.pool, name.data(), name.size());
  group->listener = group->commands = group->scoreboard = -1;
  group->next = kept.groups;
  kept.groups = group;
  return *group;
}

KeptHost& add_host(Kept& kept, KeptGroup& group) {
  KeptHost* host = kept.spare;
  if (host != nullptr) {
    kept.spare = host->older;
    *host = KeptHost{};
  } else {
    host = static_cast<KeptHost*>(apr_pcalloc(kept.pool, sizeof(KeptHost)));
  }
  host->lifeline = host->retire_read = host->retire_write = -1;
  host->older = group.newest;
  group.newest = host;
  return *host;
}

void retire(const KeptHost& host) noexcept {
  // A full socket holds a word already, and a host that has gone needs none. The flag, and not the
  // descriptor's mode: a group's own processes share that, and could make root wait here.
  if (host.retire_write >= 0) {
    [[maybe_unused]] const ssize_t sent =
        ::send(host.retire_write, "r", 1, MSG_DONTWAIT | MSG_NOSIGNAL);
  }
}

void close_and_forget(int& fd) noexcept {
  if (fd >= 0) ::close(fd);
  fd = -1;
}

void close_host(KeptHost& host) noexcept {
  close_and_forget(host.lifeline);
  close_and_forget(host.retire_read);
  close_and_forget(host.retire_write);
}

void remove_host(Kept& kept, KeptHost*& link) noexcept {
  KeptHost& host = *link;
  close_host(host);
  link = host.older;
  host.older = kept.spare;
  kept.spare = &host;
}

void tidy(Kept& kept, KeptGroup& group) noexcept {
  KeptHost** link = &group.newest;
  while (KeptHost* host = *link) {
    const bool is_current = host == group.newest && group.is_defined;
    if (host->pid != 0 || is_current) {
      link = &host->older;
      continue;
    }
    const bool was_told = has_word(host->retire_read);
    if (was_told && host->older != nullptr) retire(*host->older);
    // A dead host between a living successor and a living predecessor still takes the word.
    if (!was_told && somebody_lives(host->older) && group.is_defined) {
      link = &host->older;
      continue;
    }
    remove_host(kept, *link);
  }
}

}  // namespace wsgix::httpd

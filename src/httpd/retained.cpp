// SPDX-License-Identifier: Apache-2.0
#include "retained.hpp"

#include <sys/socket.h>
#include <unistd.h>

namespace wsgix::httpd {
namespace {

constexpr char kKey[] = "wsgix-groups";
constexpr std::uint32_t kLayout = 6;

/// What it has said since the last look.
void listen_to(RetainedHost& host) noexcept {
  char word = 0;
  while (host.retire >= 0 && ::recv(host.retire, &word, 1, MSG_DONTWAIT) > 0) {
    if (word == static_cast<char>(supervisor::FromHost::Ready)) host.is_ready = true;
  }
}

const char* kept_text(apr_pool_t* pool, std::string_view text) {
  return apr_pstrmemdup(pool, text.data(), text.size());
}

}  // namespace

Retained* find_retained() noexcept { return static_cast<Retained*>(ap_retained_data_get(kKey)); }

Result<Retained*> find_or_create_retained(const server_rec& main) {
  Retained* retained = find_retained();
  if (retained != nullptr) {
    if (retained->layout == kLayout) return retained;
    return failed(ErrorCode::BadHostSettings,
                  "this mod_wsgi.so is another version than the one httpd was started with");
  }
  retained = static_cast<Retained*>(ap_retained_data_create(kKey, sizeof(Retained)));
  retained->layout = kLayout;
  retained->parent = ::getpid();
  retained->pool = main.process->pool;
  retained->sweeper = -1;
  return retained;
}

RetainedGroup* find_group(Retained& retained, std::string_view name,
                          std::string_view identity) noexcept {
  for (RetainedGroup* group = retained.groups; group != nullptr; group = group->next) {
    if (group->listener >= 0 && group->name == name && group->identity == identity) return group;
  }
  return nullptr;
}

RetainedGroup& add_group(Retained& retained, std::string_view name, std::string_view identity) {
  RetainedGroup* group = retained.spare_groups;
  if (group != nullptr) {
    retained.spare_groups = group->next;
  } else {
    group = static_cast<RetainedGroup*>(apr_pcalloc(retained.pool, sizeof(RetainedGroup)));
  }
  *group = RetainedGroup{};
  group->name = kept_text(retained.pool, name);
  group->identity = kept_text(retained.pool, identity);
  group->listener = group->commands = group->scoreboard = -1;
  group->presence_read = group->presence_write = -1;
  group->next = retained.groups;
  retained.groups = group;
  return *group;
}

void remove_group(Retained& retained, RetainedGroup*& link) noexcept {
  RetainedGroup& group = *link;
  link = group.next;
  group.next = retained.spare_groups;
  retained.spare_groups = &group;
}

RetainedHost& add_host(Retained& retained, RetainedGroup& group) {
  RetainedHost* host = retained.spare;
  if (host != nullptr) {
    retained.spare = host->older;
    *host = RetainedHost{};
  } else {
    host = static_cast<RetainedHost*>(apr_pcalloc(retained.pool, sizeof(RetainedHost)));
  }
  host->lifeline = host->retire = -1;
  host->older = group.newest;
  group.newest = host;
  return *host;
}

void tell(const RetainedHost& host, supervisor::ToHost word) noexcept {
  const char byte = static_cast<char>(word);
  // A host that has gone needs no word, and a full socket holds some already. The flag, and not
  // the descriptor's mode: a group's own processes share that, and could make root wait here.
  if (host.pid != 0 && host.retire >= 0) {
    [[maybe_unused]] const ssize_t sent =
        ::send(host.retire, &byte, 1, MSG_DONTWAIT | MSG_NOSIGNAL);
  }
}

RetainedHost* serving_host(RetainedGroup& group) noexcept {
  for (RetainedHost* host = group.newest; host != nullptr; host = host->older) {
    listen_to(*host);
    if (host->pid != 0 && host->is_ready) return host;
  }
  return nullptr;
}

void close_and_forget(int& fd) noexcept {
  if (fd >= 0) ::close(fd);
  fd = -1;
}

void close_host(RetainedHost& host) noexcept {
  close_and_forget(host.lifeline);
  close_and_forget(host.retire);
}

void remove_host(Retained& retained, RetainedHost*& link) noexcept {
  RetainedHost& host = *link;
  close_host(host);
  link = host.older;
  host.older = retained.spare;
  retained.spare = &host;
}

void tidy(Retained& retained, RetainedGroup& group) noexcept {
  const RetainedHost* const serving = serving_host(group);
  RetainedHost* older = serving != nullptr ? serving->older : nullptr;
  for (; older != nullptr; older = older->older) tell(*older, supervisor::ToHost::Retire);
  RetainedHost** link = &group.newest;
  while (RetainedHost* host = *link) {
    const bool is_current = host == group.newest && group.is_defined;
    if (host->pid != 0 || is_current) {
      link = &host->older;
    } else {
      remove_host(retained, *link);
    }
  }
}

}  // namespace wsgix::httpd

// SPDX-License-Identifier: Apache-2.0
#include "groups.hpp"

#include "wsgix/wsgi/environ.hpp"

namespace wsgix::httpd {

bool Group::usable_by(const server_rec& server) const {
  for (const server_rec* definer : servers) {
    if (!definer->is_virtual || definer == &server) return true;
    if (definer->server_hostname != nullptr && server.server_hostname != nullptr &&
        wsgi::equals_ignoring_case(definer->server_hostname, server.server_hostname)) {
      return true;
    }
  }
  return false;
}

const Group* GroupRegistry::find(std::string_view name) const noexcept {
  for (const Group& group : groups_) {
    if (group.settings.name == name) return &group;
  }
  return nullptr;
}

Result<void> GroupRegistry::add(server_rec& server, const GroupDefinition& definition) {
  for (Group& known : groups_) {
    if (known.settings.name != definition.settings.name) continue;
    if (known.settings == definition.settings) {
      known.servers.push_back(&server);
      return {};
    }
    return failed(ErrorCode::DuplicateProcessGroup,
                  "process group '" + known.settings.name + "' is defined at " + known.place +
                      " and differently at " + definition.place + " (" +
                      config::first_difference(known.settings, definition.settings) + ")");
  }
  groups_.push_back({definition.settings, definition.place, {&server}, {}, {}, {}, {}, -1});
  return {};
}

Result<void> GroupRegistry::gather(server_rec& main, GroupRegistry& into) {
  for (server_rec* server = &main; server != nullptr; server = server->next) {
    for (const GroupDefinition& definition : config_of(*server).groups) {
      if (const Result<void> added = into.add(*server, definition); !added) return added;
    }
  }
  return {};
}

}  // namespace wsgix::httpd

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
                      first_difference(known.settings, definition.settings) + ")");
  }
  groups_.push_back({definition.settings, definition.place, {&server}, {}, {}, {}, -1});
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

namespace {

using Settings = config::DaemonSettings;

struct Comparison {
  const char* option;
  std::string one;
  std::string other;
};

std::string text_of(int number) { return std::to_string(number); }
std::string text_of(bool flag) { return flag ? "yes" : "no"; }
std::string text_of(const std::string& text) { return text.empty() ? "none" : text; }
std::string text_of(const std::vector<std::string>& list) {
  std::string joined;
  for (const std::string& item : list) joined += (joined.empty() ? "" : ":") + item;
  return text_of(joined);
}

template <auto Member>
Comparison compared(const char* option, const Settings& one, const Settings& other) {
  return {option, text_of(one.*Member), text_of(other.*Member)};
}

}  // namespace

std::string first_difference(const Settings& one, const Settings& other) {
  // clang-format off
  const Comparison comparisons[] = {
      compared<&Settings::processes>("processes", one, other),
      compared<&Settings::processes_given>("processes= written", one, other),
      compared<&Settings::threads>("threads", one, other),
      compared<&Settings::display_name>("display-name", one, other),
      compared<&Settings::maximum_requests>("maximum-requests", one, other),
      compared<&Settings::listen_backlog>("listen-backlog", one, other),
      compared<&Settings::user>("user", one, other),
      compared<&Settings::group>("group", one, other),
      compared<&Settings::supplementary_groups>("supplementary-groups", one, other),
      compared<&Settings::umask>("umask", one, other),
      compared<&Settings::home>("home", one, other),
      compared<&Settings::lang>("lang", one, other),
      compared<&Settings::locale>("locale", one, other),
      compared<&Settings::socket_user>("socket-user", one, other),
      compared<&Settings::python_home>("python-home", one, other),
      compared<&Settings::python_path>("python-path", one, other),
      compared<&Settings::startup_timeout>("startup-timeout", one, other),
      compared<&Settings::graceful_timeout>("graceful-timeout", one, other),
      compared<&Settings::shutdown_timeout>("shutdown-timeout", one, other),
      compared<&Settings::connect_timeout>("connect-timeout", one, other),
      compared<&Settings::queue_timeout>("queue-timeout", one, other),
      compared<&Settings::socket_timeout>("socket-timeout", one, other),
  };
  // clang-format on
  for (const Comparison& option : comparisons) {
    if (option.one != option.other) {
      return std::string(option.option) + " " + option.one + " versus " + option.other;
    }
  }
  return "in an option";
}

}  // namespace wsgix::httpd

// SPDX-License-Identifier: Apache-2.0
// httpd/groups.hpp: the daemon groups of one configuration, checked against each other.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "settings.hpp"
#include "wsgix/base/result.hpp"
#include "wsgix/os/ownership.hpp"

namespace wsgix::httpd {

struct Identity {
  uid_t uid = 0;
  gid_t gid = 0;
  std::vector<std::uint32_t> supplementary;
  std::string user_name;
  std::string user_home;
};

/// The accounts of user=, group= and supplementary-groups=, httpd's own where they are absent.
Result<Identity> resolve_identity(const config::DaemonSettings& settings);
/// Whom script-user= or script-group= name; nobody in particular without them.
Result<os::RequiredOwner> resolve_script_owner(const config::DaemonSettings& settings);
/// The account of socket-user=, or httpd's User.
Result<uid_t> resolve_socket_owner(const config::DaemonSettings& settings);

struct Group {
  config::DaemonSettings settings;
  std::string place;
  std::vector<server_rec*> servers;  ///< where it was defined: more than one when identical
  Identity identity;
  os::RequiredOwner script_owner;
  std::string socket_path;  ///< set when the socket exists
  std::string token;
  int scoreboard = -1;  ///< borrowed from the kept group

  bool usable_by(const server_rec& server) const;
  /// threads=0: it runs WSGIImportScripts and answers no request.
  bool is_service() const noexcept { return settings.threads == 0; }
};

/// Lives in the configuration pool; found from the main server's ServerConfig.
class GroupRegistry {
 public:
  /// Gathers the definitions of all servers: equal ones are one group, different ones with one
  /// name are an error that names both places.
  static Result<void> gather(server_rec& main, GroupRegistry& into);

  const Group* find(std::string_view name) const noexcept;
  std::vector<Group>& all() noexcept { return groups_; }
  const std::vector<Group>& all() const noexcept { return groups_; }

 private:
  Result<void> add(server_rec& server, const GroupDefinition& definition);
  std::vector<Group> groups_;
};

}  // namespace wsgix::httpd

// SPDX-License-Identifier: Apache-2.0
// httpd/grants.hpp: whether httpd will let requests reach a script, as far as the configuration
// tells without a request.
#pragma once

#include <string_view>
#include <vector>

#include "settings.hpp"

namespace wsgix::httpd {

/// What the sections of one server, and of the main server around it, say about access. Only what
/// is certain counts: a section whose reach depends on the request, and that grants something, may
/// grant it to the script.
class Grants {
 public:
  /// Reads httpd's tree of directives, which is there while a configuration is checked.
  explicit Grants(const server_rec& server);

  /// Every request for that alias and its file gets 403: the innermost <Directory> that says
  /// anything about access says "Require all denied", and nothing else could grant it.
  bool refuse(const ScriptAlias& alias) const;

 private:
  enum class Says : unsigned char { Nothing, Denied, Something };
  struct Folder {
    std::string_view path;  ///< of the configuration's memory
    Says says;
  };

  void read(const ap_directive_t* nodes);
  void read_section(const ap_directive_t& section);
  static Says says_of(const ap_directive_t* nodes);

  std::vector<Folder> folders_;
  std::vector<std::string_view> granted_urls_;  ///< of <Location> that grant something
  bool may_be_granted_ = false;
};

}  // namespace wsgix::httpd

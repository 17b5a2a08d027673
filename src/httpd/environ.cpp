// SPDX-License-Identifier: Apache-2.0
#include "environ.hpp"

#include <charconv>

#include "wsgix/config/paths.hpp"
#include "wsgix/wsgi/environ.hpp"
#include "wsgix/wsgi/trusted_proxies.hpp"

namespace wsgix::httpd {
namespace {

constexpr std::size_t kUsualFields = 64;

/// Adds fields, and gives numbers and keys a place in the request's pool.
class Builder {
 public:
  Builder(request_rec& r, std::vector<wire::FieldView>& fields) : r_(r), fields_(fields) {
    fields_.reserve(kUsualFields);
  }

  void add(std::string_view name, std::string_view value) { fields_.push_back({name, value}); }
  void add_if_set(std::string_view name, const char* value) {
    if (value != nullptr) add(name, value);
  }
  void add_number(std::string_view name, std::uint64_t number) {
    constexpr std::size_t kDigits = 20;
    char* const into = static_cast<char*>(apr_palloc(r_.pool, kDigits));
    const auto end = std::to_chars(into, into + kDigits, number).ptr;
    add(name, {into, static_cast<std::size_t>(end - into)});
  }
  /// httpd joins what a client repeats; modules may have added the same header once more.
  void add_header(std::string_view name, const char* value) {
    for (std::size_t i = first_header_; i < fields_.size(); ++i) {
      if (fields_[i].name != name) continue;
      fields_[i].value = apr_pstrcat(r_.pool, fields_[i].value.data(), ", ", value, nullptr);
      return;
    }
    add(name, value);
  }
  void begin_headers() noexcept { first_header_ = fields_.size(); }
  bool has(std::string_view name) const noexcept { return find(name).has_value(); }
  std::optional<std::string_view> find(std::string_view name) const noexcept {
    for (const wire::FieldView& field : fields_) {
      if (field.name == name) return field.value;
    }
    return std::nullopt;
  }
  void remove(std::string_view name) {
    std::erase_if(fields_, [name](const wire::FieldView& field) { return field.name == name; });
  }

 private:
  request_rec& r_;
  std::vector<wire::FieldView>& fields_;
  std::size_t first_header_ = 0;
};

struct TableEntries {
  explicit TableEntries(const apr_table_t* table)
      : first(reinterpret_cast<const apr_table_entry_t*>(apr_table_elts(table)->elts)),
        count(static_cast<std::size_t>(apr_table_elts(table)->nelts)) {}
  const apr_table_entry_t* begin() const { return first; }
  const apr_table_entry_t* end() const { return first + count; }
  const apr_table_entry_t* first;
  std::size_t count;
};

/// All HTTP_* keys of a request share one allocation.
void add_headers(request_rec& r, const Route& route, const BodyFacts& body, Builder& out) {
  const TableEntries headers(r.headers_in);
  std::size_t key_bytes = 0;
  for (const apr_table_entry_t& header : headers) {
    if (header.key != nullptr)
      key_bytes += wsgi::header_key_bytes(std::string_view(header.key).size());
  }
  char* space = static_cast<char*>(apr_palloc(r.pool, key_bytes + 1));
  const bool pass_all = core_config_of(r).cgi_pass_auth == AP_CGI_PASS_AUTH_ON;

  const auto add_plain = [&](std::string_view name, const char* value) {
    const std::string_view key = wsgi::write_header_key(name, space);
    space += key.size();
    out.add_header(key, or_empty(value));
  };
  // RFC 9112, 7.1.3: of a decoded body the coding goes and the length is its own.
  const bool has_own_length =
      body.received == nullptr && !(body.has_body && body.content_length < 0);
  out.begin_headers();
  for (const apr_table_entry_t& header : headers) {
    if (header.key == nullptr) continue;
    const std::string_view name = header.key;
    if (body.received != nullptr && wsgi::equals_ignoring_case(name, "transfer-encoding")) continue;
    switch (wsgi::role_of_header(name)) {
      case wsgi::HeaderRole::Plain: add_plain(name, header.val); break;
      case wsgi::HeaderRole::ContentType:
        out.add_header("CONTENT_TYPE", or_empty(header.val));
        break;
      case wsgi::HeaderRole::ContentLength:
        if (has_own_length) out.add_header("CONTENT_LENGTH", or_empty(header.val));
        break;
      case wsgi::HeaderRole::Authorization:
        if (pass_all || route.pass_authorization) add_plain(name, header.val);
        break;
      case wsgi::HeaderRole::ProxyAuthorization:
        if (pass_all) add_plain(name, header.val);
        break;
      case wsgi::HeaderRole::Dropped: break;
    }
  }
  if (body.received != nullptr) {
    out.add_number("CONTENT_LENGTH", static_cast<std::uint64_t>(body.content_length));
  }
}

/// A content filter such as deflate needs the body's bytes to say the same headers for HEAD as
/// for GET.
bool has_content_filter(const request_rec& r) {
  return r.output_filters != nullptr && r.output_filters->frec != nullptr &&
         r.output_filters->frec->ftype < AP_FTYPE_PROTOCOL;
}

/// For httpd HEAD is a GET whose body it does not send, so the client gets none in any case.
std::string_view shown_method(const request_rec& r) {
  if (!r.header_only || r.method_number != M_GET) return r.method;
  switch (config_of(r).map_head_to_get.value_or(MapHead::Auto)) {
    case MapHead::Off: return r.method;
    case MapHead::On: return "GET";
    case MapHead::Auto: break;
  }
  return has_content_filter(r) ? "GET" : r.method;
}

std::string_view request_uri(const request_rec& r) {
  if (apr_hash_t* rules = core_config_of(r).cgi_var_rules) {
    const char* rule =
        static_cast<const char*>(apr_hash_get(rules, "REQUEST_URI", APR_HASH_KEY_STRING));
    if (rule != nullptr && std::string_view(rule) == "current-uri") return or_empty(r.uri);
  }
  return wsgi::target_of_request_line(or_empty(r.the_request));
}

std::string_view escaped_server_name(request_rec& r) {
  const std::string_view name = or_empty(ap_get_server_name_for_url(&r));
  if (name.find_first_of("<>&\"") == std::string_view::npos) return name;
  return ap_escape_html(r.pool, name.data());
}

/// In a jail what lies outside does not exist.
void add_folder(const Route& route, std::string_view name, const char* folder, Builder& out) {
  if (route.group == nullptr || route.group->settings.chroot.empty() || folder == nullptr) {
    return out.add_if_set(name, folder);
  }
  const std::string& jail = route.group->settings.chroot;
  if (config::normal_path(folder) == jail) return out.add(name, "/");
  if (const auto inside = config::path_in_jail(jail, folder)) out.add(name, *inside);
}

void add_request(request_rec& r, const Route& route, Builder& out) {
  out.add("REQUEST_METHOD", shown_method(r));
  out.add("SERVER_PROTOCOL", or_empty(r.protocol));
  out.add("REQUEST_URI", request_uri(r));
  out.add("QUERY_STRING", or_empty(r.args));
  out.add("SCRIPT_NAME", route.script_name);
  out.add("PATH_INFO", route.path_info);
  out.add("SCRIPT_FILENAME", route.resource);
  add_folder(route, "DOCUMENT_ROOT", ap_document_root(&r), out);
  add_folder(route, "CONTEXT_DOCUMENT_ROOT", ap_context_document_root(&r), out);
  out.add_if_set("CONTEXT_PREFIX", ap_context_prefix(&r));
  out.add_if_set("REQUEST_SCHEME", ap_http_scheme(&r));
}

void add_ends(request_rec& r, Builder& out) {
  out.add("SERVER_NAME", escaped_server_name(r));
  out.add_number("SERVER_PORT", ap_get_server_port(&r));
  out.add_if_set("SERVER_ADDR", r.connection->local_ip);
  out.add_if_set("SERVER_ADMIN", r.server->server_admin);
  out.add("SERVER_SOFTWARE", or_empty(ap_get_server_banner()));
  out.add_if_set("REMOTE_ADDR", r.useragent_ip);
  out.add_number("REMOTE_PORT", r.connection->client_addr->port);
  out.add_if_set("AUTH_TYPE", r.ap_auth_type);
}

void add_user_and_redirect(request_rec& r, Builder& out) {
  if (r.user != nullptr) {
    out.add("REMOTE_USER", r.user);
  } else if (r.prev != nullptr && r.prev->user != nullptr) {
    out.add("REDIRECT_REMOTE_USER", r.prev->user);
  }
  if (r.prev == nullptr) return;
  out.add_if_set("REDIRECT_QUERY_STRING", r.prev->args);
  if (r.prev->uri == nullptr) return;
  const bool absolute = core_config_of(r).qualify_redirect_url == AP_CORE_CONFIG_ON;
  out.add("REDIRECT_URL", absolute ? ap_construct_url(r.pool, r.prev->uri, r.prev) : r.prev->uri);
}

void add_own(request_rec& r, const Route& route, Builder& out) {
  conn_rec& connection = *r.connection;
  if (r.log_id == nullptr) ap_run_generate_log_id(&connection, &r, &r.log_id);
  if (connection.log_id == nullptr)
    ap_run_generate_log_id(&connection, nullptr, &connection.log_id);
  out.add("mod_wsgi.request_handler", or_empty(r.handler));
  out.add("mod_wsgi.handler_script",
          route.is_by_handler_script ? route.script : std::string_view());
  out.add("mod_wsgi.script_name", route.script_name);
  out.add("mod_wsgi.path_info", route.path_info);
  out.add("mod_wsgi.listener_host", or_empty(connection.local_ip));
  out.add_number("mod_wsgi.listener_port", connection.local_addr->port);
  out.add_number("mod_wsgi.server_pid", static_cast<std::uint64_t>(::getpid()));
  out.add("mod_wsgi.request_id", or_empty(r.log_id));
  out.add("mod_wsgi.connection_id", or_empty(connection.log_id));
}

/// SetEnv, mod_ssl and the like; what the request itself says wins.
void add_variables(request_rec& r, Builder& out) {
  for (const apr_table_entry_t& variable : TableEntries(r.subprocess_env)) {
    if (variable.key == nullptr) continue;
    const std::string_view name = variable.key;
    if (!wsgi::is_hidden_variable(name) && !out.has(name)) out.add(name, or_empty(variable.val));
  }
}

/// WSGITrustedProxyHeaders: removes and replaces fields that the proxies know better.
wsgi::ForwardedScheme apply_trusted_proxies(request_rec& r, Builder& out) {
  const DirConfig& config = config_of(r);
  if (config.trusted_proxy_headers == nullptr) return wsgi::ForwardedScheme::Absent;
  const wsgi::Rewrite rewrite =
      wsgi::rewrite_for_proxies({*config.trusted_proxy_headers, config.trusted_proxies},
                                [&out](std::string_view name) { return out.find(name); });
  for (const std::string_view name : rewrite.removed) out.remove(name);
  for (const wsgi::EnvironChange& change : rewrite.set) {
    out.remove(change.name);
    out.add(change.name, {apr_pstrmemdup(r.pool, change.value.data(), change.value.size()),
                          change.value.size()});
  }
  return rewrite.scheme;
}

bool is_https(request_rec& r, wsgi::ForwardedScheme forwarded) {
  if (forwarded == wsgi::ForwardedScheme::Https) return true;
  if (forwarded == wsgi::ForwardedScheme::Http) return false;
  if (const char* https = apr_table_get(r.subprocess_env, "HTTPS")) {
    return wsgi::means_https(https);
  }
  if (forwarded != wsgi::ForwardedScheme::Absent) return false;
  const auto ask_mod_ssl = APR_RETRIEVE_OPTIONAL_FN(ssl_is_https);
  return ask_mod_ssl != nullptr && ask_mod_ssl(r.connection) != 0;
}

}  // namespace

Environ build_environ(request_rec& r, const Route& route, const BodyFacts& body) {
  Environ built;
  Builder out(r, built.fields);
  add_request(r, route, out);
  add_ends(r, out);
  add_user_and_redirect(r, out);
  add_headers(r, route, body, out);
  add_own(r, route, out);
  add_variables(r, out);
  built.https = is_https(r, apply_trusted_proxies(r, out));
  return built;
}

}  // namespace wsgix::httpd

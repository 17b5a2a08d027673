// SPDX-License-Identifier: Apache-2.0
// What is refused before any Python is asked, and which mode serves the rest.
#include "handler.hpp"

#include "child_process.hpp"
#include "mapping.hpp"
#include "received_body.hpp"
#include "relay.hpp"
#include "wsgix/wsgi/environ.hpp"

namespace wsgix::httpd {
namespace {

/// OK, or the status that the client gets; the reason is logged.
using Verdict = int;

Verdict refuse(const request_rec& r, LogLevel level, int status, const std::string& why,
               const char* remedy) {
  log(r, level, {ErrorCode::RequestRefused, why, 0, remedy});
  return status;
}

ChunkedRequest chunked_request_of(const request_rec& r) {
  return config_of(r).chunked_request.value_or(ChunkedRequest{});
}

bool runs_its_file(std::string_view handler) {
  return handler == kScriptHandler || handler == kScriptHandlerType;
}

Verdict check_script(request_rec& r) {
  const bool aliased = is_script_alias(r);
  const std::string file = or_empty(r.filename);
  if (!aliased && (ap_allow_options(&r) & OPT_EXECCGI) == 0) {
    return refuse(r, LogLevel::Error, HTTP_FORBIDDEN, "Options ExecCGI is off for script " + file,
                  "allow it with Options +ExecCGI, or map the script with WSGIScriptAlias");
  }
  if (r.finfo.filetype == APR_NOFILE) {
    // Without an alias the name is the client's, and nothing is wrong with the server.
    return refuse(r, aliased ? LogLevel::Error : LogLevel::Info, HTTP_NOT_FOUND,
                  "script " + file + " does not exist",
                  "put the script there, or correct the path of WSGIScriptAlias");
  }
  if (r.finfo.filetype == APR_DIR) {
    return refuse(r, LogLevel::Error, HTTP_FORBIDDEN, "script " + file + " is a directory",
                  "name the script's file, not its folder");
  }
  if (r.used_path_info == AP_REQ_REJECT_PATH_INFO && is_set(r.path_info)) {
    return refuse(r, LogLevel::Info, HTTP_NOT_FOUND,
                  "AcceptPathInfo is off and the URL goes on after script " + file,
                  "remove AcceptPathInfo Off for this script");
  }
  return OK;
}

Verdict check_body(request_rec& r, BodyFacts& body) {
  const char* encoding = apr_table_get(r.headers_in, "Transfer-Encoding");
  if (encoding != nullptr && !wsgi::equals_ignoring_case(encoding, "chunked")) {
    return refuse(r, LogLevel::Info, HTTP_NOT_IMPLEMENTED,
                  std::string("Transfer-Encoding ") + encoding + " is not known",
                  "let the client send chunked or with a Content-Length");
  }
  if (encoding != nullptr) {
    if (!chunked_request_of(r).is_accepted) {
      return refuse(r, LogLevel::Info, HTTP_LENGTH_REQUIRED,
                    "the request body is chunked and WSGIChunkedRequest is off",
                    "set WSGIChunkedRequest On, which buffers such bodies to know their length");
    }
    body.has_body = true;
    return OK;
  }
  body.content_length = 0;
  const char* length = apr_table_get(r.headers_in, "Content-Length");
  if (length == nullptr) return OK;
  const auto parsed = wsgi::parse_body_length(length);
  if (!parsed) {
    return refuse(r, LogLevel::Info, HTTP_BAD_REQUEST, "Content-Length is not a number",
                  "correct the client");
  }
  const apr_off_t limit = ap_get_limit_req_body(&r);
  if (limit > 0 && *parsed > limit) {
    return refuse(r, LogLevel::Info, HTTP_REQUEST_ENTITY_TOO_LARGE,
                  "the request body has " + std::to_string(*parsed) +
                      " bytes, LimitRequestBody is " + std::to_string(limit),
                  "raise LimitRequestBody if such bodies are wanted");
  }
  body.content_length = *parsed;
  body.has_body = *parsed > 0;
  return OK;
}

/// Most applications read no more than CONTENT_LENGTH says, and nothing without it.
Verdict find_length(request_rec& r, BodyFacts& body) {
  if (!body.has_body) return OK;
  const bool is_decoded = is_decoded_by_a_filter(r);
  const ChunkedRequest chunked = chunked_request_of(r);
  if (chunked.is_streamed) {
    if (is_decoded) body.content_length = -1;
    return OK;
  }
  if (body.content_length >= 0 && !is_decoded) return OK;
  return receive_whole_body(r, body, chunked.most_bytes);
}

/// script-user= and script-group=; whoever executes the script looks again at what it opens.
Verdict check_owner(const request_rec& r, const Route& route) {
  if (route.group == nullptr || !route.group->script_owner.is_given()) return OK;
  const Result<void> fine = os::check_owner(std::string(route.file), route.group->script_owner);
  if (fine) return OK;
  Error error = fine.error();
  error.what = "process group '" + route.group->settings.name + "': " + error.what;
  log(r, LogLevel::Error, error);
  return HTTP_FORBIDDEN;
}

int run_embedded(request_rec& r, const Route& route, ChildProcess& child, BodyFacts body) {
  if (config_of(*ap_server_conf).restrict_embedded.value_or(false)) {
    log(r, LogLevel::Error,
        {ErrorCode::EmbeddedModeRestricted,
         std::string(r.method) + " " + or_empty(r.unparsed_uri) +
             ": the request belongs to no process group and WSGIRestrictEmbedded is On"});
    return HTTP_INTERNAL_SERVER_ERROR;
  }
  return child.embedded().handle(r, route, body);
}

int run_in_daemon(request_rec& r, const Route& route, ChildProcess& child, BodyFacts body) {
  ConnectionPool* const pool = child.pool_of(*route.group);
  if (pool == nullptr) {
    log(r, LogLevel::Error,
        {ErrorCode::GroupNotRunning,
         "process group '" + route.group->settings.name + "' is not running"});
    return HTTP_SERVICE_UNAVAILABLE;
  }
  return Relay(r, route, *pool, body).run();
}

}  // namespace

Result<Outcome> handle_script(request_rec& r) {
  if (r.handler == nullptr) return Outcome{DECLINED};
  const HandlerScript* const handler = find_handler_script(config_of(r), r.handler);
  if (handler == nullptr && !runs_its_file(r.handler)) return Outcome{DECLINED};
  // With a handler's script what the URL names is not executed, and need not be there.
  if (handler == nullptr) {
    if (const Verdict verdict = check_script(r); verdict != OK) return Outcome{verdict};
  }
  BodyFacts body;
  if (const Verdict verdict = check_body(r, body); verdict != OK) return Outcome{verdict};

  const Result<Route> way = route(r, handler);
  if (!way) return failed(way);
  if (const Verdict verdict = check_owner(r, *way); verdict != OK) return Outcome{verdict};
  if (const Verdict verdict = find_length(r, body); verdict != OK) return Outcome{verdict};
  ChildProcess& child = *config_of(*ap_server_conf).child;
  const ChildProcess::InUse in_use(child);
  return Outcome{way->group != nullptr ? run_in_daemon(r, *way, child, body)
                                       : run_embedded(r, *way, child, body)};
}

}  // namespace wsgix::httpd

// SPDX-License-Identifier: Apache-2.0
// httpd/httpd_api.hpp: the one place that includes httpd and APR headers.
//
// They are not self-contained, so their order matters and formatters must not touch it.
#pragma once

// Makes cmd_func a union of typed pointers, so that a directive whose handler has the
// wrong signature does not compile. httpd withholds it from C++, which could not use
// designated initializers before C++20. Same layout as the untyped pointer.
#define AP_HAVE_DESIGNATED_INITIALIZER 1

// clang-format off
#include <httpd.h>
#include <http_config.h>
#include <http_connection.h>
#include <http_core.h>
#include <http_log.h>
#include <http_main.h>
#include <http_protocol.h>
#include <http_request.h>
#include <http_vhost.h>
#include <ap_mpm.h>
#include <ap_regex.h>
#include <mpm_common.h>
#include <mod_ssl.h>
#include <unixd.h>
#include <util_filter.h>
#include <util_script.h>
#include <apr_buckets.h>
#include <apr_pools.h>
#include <apr_portable.h>
#include <apr_strings.h>
#include <apr_thread_proc.h>
// clang-format on

extern "C" {
extern __attribute__((visibility("default"))) module AP_MODULE_DECLARE_DATA wsgi_module;
APLOG_USE_MODULE(wsgi);  // lets "LogLevel wsgi:debug" address our messages
}

namespace wsgix::httpd {

/// httpd's own per-directory record; httpd has no accessor for the parts we need.
inline const core_dir_config& core_config_of(const request_rec& r) {
  return *static_cast<const core_dir_config*>(ap_get_core_module_config(r.per_dir_config));
}

inline bool is_set(const char* text) { return text != nullptr && *text != '\0'; }
inline const char* or_empty(const char* text) { return text != nullptr ? text : ""; }

/// One child process and no other (httpd -X): the child is the parent.
inline bool is_single_process() {
  return ap_exists_config_define("DEBUG") != 0 || ap_exists_config_define("ONE_PROCESS") != 0;
}

inline int mpm_number(int query, int otherwise) {
  int answer = 0;
  return ap_mpm_query(query, &answer) == APR_SUCCESS && answer > 0 ? answer : otherwise;
}

}  // namespace wsgix::httpd
